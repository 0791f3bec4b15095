//! A chain that is drawn, with the state after each block as plain maps: what a store must show.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use block_stm_store::{Account, AccountChange, FullBlock, SlotChange, Snapshot, StoreError};

/// Accounts with their storage.
pub(crate) type State = BTreeMap<Address, (Account, BTreeMap<U256, U256>)>;

/// Numbers without end, the same for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// The chain so far; the place of a block is its number.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) blocks: Vec<FullBlock>,
    states: Vec<State>,
    codes: BTreeMap<B256, Bytes>,
    draws: Draws,
}

fn bytes(draws: &mut Draws, most: u64) -> Bytes {
    let length = draws.below(most);
    (0..length).map(|_| draws.next() as u8).collect()
}

impl World {
    /// A genesis block with a few accounts.
    pub(crate) fn new(seed: u64) -> Self {
        let mut world = Self {
            blocks: vec![],
            states: vec![State::new()],
            codes: BTreeMap::new(),
            draws: Draws::new(seed),
        };
        let genesis = world.draw(0, B256::ZERO);
        world.states.pop();
        let state = after(&State::new(), &genesis);
        world.blocks.push(genesis);
        world.states.push(state);
        world
    }

    pub(crate) fn genesis(&self) -> FullBlock {
        self.blocks[0].clone()
    }

    pub(crate) fn head(&self) -> (u64, B256) {
        let last = self.blocks.last().expect("there is a genesis block");
        (last.number, last.hash)
    }

    /// Draws a block on the head.
    pub(crate) fn grow(&mut self) -> FullBlock {
        let (number, parent) = self.head();
        let block = self.draw(number + 1, parent);
        let state = after(self.states.last().expect("there is one"), &block);
        self.states.push(state);
        self.blocks.push(block.clone());
        block
    }

    /// Takes blocks above `number` back.
    pub(crate) fn rewind(&mut self, number: u64) {
        self.blocks.truncate(number as usize + 1);
        self.states.truncate(number as usize + 1);
    }

    fn draw(&mut self, number: u64, parent: B256) -> FullBlock {
        let draws = &mut self.draws;
        let state = self.states.last().expect("there is one");
        let mut changes: BTreeMap<Address, AccountChange> = BTreeMap::new();
        let mut codes = vec![];
        for _ in 0..1 + draws.below(5) {
            let address = Address::with_last_byte(draws.below(8) as u8);
            let old = state.get(&address);
            let before = old.map(|(account, _)| *account);
            let storage = old.map(|(_, storage)| storage.clone()).unwrap_or_default();
            let mut slots = vec![];
            let after = if draws.below(5) == 0 {
                let all = storage.iter();
                slots.extend(all.map(|(&slot, &before)| change(slot, before, U256::ZERO)));
                None
            } else {
                for slot in (0..6).map(U256::from) {
                    if draws.coin() {
                        let value = U256::from(draws.below(4));
                        let before = storage.get(&slot).copied().unwrap_or_default();
                        slots.push(change(slot, before, value));
                    }
                }
                let code_hash = if draws.coin() {
                    let code = bytes(draws, 40);
                    let hash = keccak256(&code);
                    self.codes.insert(hash, code.clone());
                    codes.push(code);
                    hash
                } else {
                    KECCAK256_EMPTY
                };
                let balance = U256::from(draws.next());
                Some(Account { nonce: draws.below(9), balance, code_hash })
            };
            // In any order: the store sorts.
            slots.reverse();
            changes.insert(address, AccountChange { address, before, after, slots });
        }
        let mut changes: Vec<_> = changes.into_values().collect();
        changes.reverse();
        let txns = (0..draws.below(4)).map(|_| B256::from(U256::from(draws.next()))).collect();
        let (header, body, receipts) = (bytes(draws, 90), bytes(draws, 300), bytes(draws, 200));
        let hash = keccak256(draws.next().to_le_bytes());
        FullBlock { number, hash, parent, header, body, receipts, txns, codes, changes }
    }

    /// The state after the block `number`.
    pub(crate) fn state(&self, number: u64) -> &State {
        &self.states[number as usize]
    }

    /// Panics unless the snapshot shows its block as this world has it: state, code, and all blocks
    /// up to it.
    pub(crate) fn assert_shown(&self, snapshot: &Snapshot) -> Result<(), StoreError> {
        let number = snapshot.number();
        assert_eq!(snapshot.hash(), self.blocks[number as usize].hash, "hash of {number}");
        self.assert_state(snapshot)?;
        for block in &self.blocks[..=number as usize] {
            let found = snapshot.block(block.number)?.expect("the block is there");
            assert_eq!((found.hash, found.parent), (block.hash, block.parent));
            assert_eq!((&found.header, &found.body), (&block.header, &block.body));
            assert_eq!(found.txns, block.txns);
            assert_eq!(snapshot.receipts(block.number)?.as_ref(), Some(&block.receipts));
            assert_eq!(snapshot.number_of(&block.hash)?, Some(block.number));
            for (place, hash) in (0..).zip(&block.txns) {
                assert_eq!(snapshot.txn(hash)?, Some((block.number, place)));
            }
        }
        assert_eq!(snapshot.block(number + 1)?, None);
        for later in self.blocks.get(number as usize + 1..).unwrap_or_default() {
            assert_eq!(snapshot.number_of(&later.hash)?, None);
            assert!(later.txns.iter().all(|hash| snapshot.txn(hash).is_ok_and(|it| it.is_none())));
        }
        Ok(())
    }

    /// The same of the state alone.
    pub(crate) fn assert_state(&self, snapshot: &Snapshot) -> Result<(), StoreError> {
        let state = self.state(snapshot.number());
        let mut found = State::new();
        for account in snapshot.accounts()? {
            let (address, account) = account?;
            let storage = snapshot.slots(address)?.collect::<Result<_, _>>()?;
            found.insert(address, (account, storage));
        }
        assert_eq!(&found, state, "the state after block {}", snapshot.number());
        for address in (0..9).map(Address::with_last_byte) {
            let wanted = state.get(&address);
            assert_eq!(snapshot.account(&address)?, wanted.map(|(account, _)| *account));
            for slot in (0..7).map(U256::from) {
                let value = wanted.and_then(|(_, storage)| storage.get(&slot).copied());
                assert_eq!(snapshot.slot(&address, &slot)?, value.unwrap_or_default());
            }
        }
        for (account, _) in state.values() {
            let hash = account.code_hash;
            if hash != KECCAK256_EMPTY {
                assert_eq!(snapshot.code(&hash)?.as_ref(), self.codes.get(&hash));
            }
        }
        Ok(())
    }
}

fn change(slot: U256, before: U256, after: U256) -> SlotChange {
    SlotChange { slot, before, after }
}

/// The state after a block.
fn after(state: &State, block: &FullBlock) -> State {
    let mut state = state.clone();
    for change in &block.changes {
        let Some(account) = change.after else {
            state.remove(&change.address);
            continue;
        };
        let entry = state.entry(change.address).or_default();
        entry.0 = account;
        for slot in &change.slots {
            if slot.after.is_zero() {
                entry.1.remove(&slot.slot);
            } else {
                entry.1.insert(slot.slot, slot.after);
            }
        }
    }
    state
}
