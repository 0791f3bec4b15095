//! Blocks with their witnesses, made of real chains.

use std::{error::Error, fs, path::Path};

use block_stm_chain::{
    Chain, ForkSchedule, Genesis,
    block_stm_evm::block_stm::{Config, Engine},
    rlp_blocks,
    witness::{StatelessError, Witness, Witnessed, check_block},
};

pub(crate) type TestResult = Result<(), Box<dyn Error>>;

pub(crate) fn engine(threads: usize) -> Result<Engine, Box<dyn Error>> {
    let threads = threads.try_into()?;
    Ok(Engine::new(Config::default().threads(threads).inline_below(0))?)
}

/// A block and its witness.
pub(crate) struct Scene {
    pub(crate) schedule: ForkSchedule,
    pub(crate) rlp: Vec<u8>,
    pub(crate) made: Witnessed,
}

impl Scene {
    pub(crate) fn check(&self, witness: &Witness, engine: &Engine) -> Result<(), StatelessError> {
        let checked = check_block(&self.rlp, &self.schedule, witness, engine)?;
        assert_eq!(checked.rooted, self.made.rooted);
        Ok(())
    }

    /// The witness after `change`.
    pub(crate) fn changed(&self, change: impl FnOnce(&mut Witness)) -> Witness {
        let mut witness = self.made.witness.clone();
        change(&mut witness);
        witness
    }
}

/// Calls `act` with the chain before each block of the folder, and with the block; each is imported
/// afterwards.
pub(crate) fn each_block(
    folder: &Path,
    mut act: impl FnMut(&mut Chain, &[u8], &ForkSchedule) -> TestResult,
) -> TestResult {
    let genesis =
        Genesis::parse(Path::new("genesis.json"), &fs::read(folder.join("genesis.json"))?)?;
    let schedule = genesis.schedule.clone();
    let mut chain = Chain::new(genesis);
    let bytes = fs::read(folder.join("chain.rlp"))?;
    let engine = engine(2)?;
    for (_, block) in rlp_blocks(&bytes) {
        let block = block?;
        act(&mut chain, block, &schedule)?;
        chain.import(block, &engine)?;
    }
    Ok(())
}

/// The blocks of the folder with these numbers.
pub(crate) fn scenes(folder: &Path, numbers: &[u64]) -> Result<Vec<Scene>, Box<dyn Error>> {
    let (engine, mut scenes) = (engine(2)?, Vec::new());
    each_block(folder, |chain, rlp, schedule| {
        if numbers.contains(&(chain.head_header().number + 1)) {
            let made = chain.witness(rlp, &engine)?;
            scenes.push(Scene { schedule: schedule.clone(), rlp: rlp.to_vec(), made });
        }
        Ok(())
    })?;
    assert_eq!(scenes.len(), numbers.len());
    Ok(scenes)
}
