//! Contracts that do what is hard to get right, assembled from a few lines each.
//!
//! `Wn` below is the n-th word of the call data.

/// Writes W1 to slot W0 and W3 to slot W2: refunds of all kinds.
pub(crate) const WRITER: &str =
    "32 CALLDATALOAD 0 CALLDATALOAD SSTORE 96 CALLDATALOAD 64 CALLDATALOAD SSTORE";
/// Counts its calls: all callers conflict on the count.
pub(crate) const COUNTER: &str = "0 SLOAD 1 ADD 0 SSTORE";
/// Counts its calls and destroys itself in favour of W0.
pub(crate) const DESTROYER: &str = "0 SLOAD 1 ADD 0 SSTORE 0 CALLDATALOAD SELFDESTRUCT";
/// Creates a contract with W0 wei from the code at W2 on, at a place that W1 decides, and keeps its
/// address.
pub(crate) const CREATOR2: &str = "64 CALLDATASIZE SUB 64 0 CALLDATACOPY \
    32 CALLDATALOAD 64 CALLDATASIZE SUB 0 0 CALLDATALOAD CREATE2 32 CALLDATALOAD SSTORE";
/// The same at a place that its nonce decides.
pub(crate) const CREATOR: &str = "64 CALLDATASIZE SUB 64 0 CALLDATACOPY \
    64 CALLDATASIZE SUB 0 0 CALLDATALOAD CREATE 32 CALLDATALOAD SSTORE";
/// Writes W0 and then stops, reverts, breaks or runs for ever, as W1 says.
pub(crate) const FAILER: &str = "0 CALLDATALOAD 0 SSTORE 1 SLOAD 1 ADD 1 SSTORE \
    32 CALLDATALOAD 1 EQ @revert JUMPI 32 CALLDATALOAD 2 EQ @break JUMPI 32 CALLDATALOAD 3 EQ \
    @loop JUMPI STOP revert: 32 0 REVERT break: INVALID loop: @loop JUMP";
/// Keeps balance, size and code hash of W0, its own balance and its caller.
pub(crate) const PROBER: &str = "0 CALLDATALOAD BALANCE CALLER SSTORE 0 CALLDATALOAD EXTCODESIZE 1 \
    SSTORE ADDRESS BALANCE 2 SSTORE ORIGIN 3 SSTORE 0 CALLDATALOAD EXTCODEHASH 0 CALLDATALOAD \
    SSTORE";
/// The same before there were code hashes.
pub(crate) const EARLY_PROBER: &str = "0 CALLDATALOAD BALANCE CALLER SSTORE 0 CALLDATALOAD \
    EXTCODESIZE 1 SSTORE ADDRESS BALANCE 2 SSTORE ORIGIN 3 SSTORE";
/// Calls W1 with W2 wei and the data from W3 on in the way that W0 says, and keeps how it went, the
/// gas included.
pub(crate) const CALLER: &str = "96 CALLDATASIZE SUB 96 0 CALLDATACOPY \
    0 CALLDATALOAD 1 EQ @delegate JUMPI 0 CALLDATALOAD 2 EQ @static JUMPI 0 CALLDATALOAD 3 EQ \
    @code JUMPI 64 0 96 CALLDATASIZE SUB 0 64 CALLDATALOAD 32 CALLDATALOAD GAS CALL @keep JUMP \
    delegate: 64 0 96 CALLDATASIZE SUB 0 32 CALLDATALOAD GAS DELEGATECALL @keep JUMP \
    static: 64 0 96 CALLDATASIZE SUB 0 32 CALLDATALOAD GAS STATICCALL @keep JUMP \
    code: 64 0 96 CALLDATASIZE SUB 0 64 CALLDATALOAD 32 CALLDATALOAD GAS CALLCODE @keep JUMP \
    keep: 16 SSTORE 0 MLOAD 17 SSTORE RETURNDATASIZE 18 SSTORE GAS 19 SSTORE";
/// Calls W1 with the data from W3 on, in the way that all forks know.
pub(crate) const EARLY_CALLER: &str = "96 CALLDATASIZE SUB 96 0 CALLDATACOPY \
    64 0 96 CALLDATASIZE SUB 0 64 CALLDATALOAD 32 CALLDATALOAD 50000 CALL 16 SSTORE 0 MLOAD 17 \
    SSTORE GAS 19 SSTORE";
/// Logs its data under the topics W0 and W1, and none, and four.
pub(crate) const LOGGER: &str = "CALLDATASIZE 0 0 CALLDATACOPY 32 CALLDATALOAD 0 CALLDATALOAD \
    CALLDATASIZE 0 LOG2 3 0 LOG0 1 2 3 4 0 0 LOG4";
/// Keeps what all forks tell about the block.
pub(crate) const ENVIRONMENT: &str = "COINBASE 1 SSTORE TIMESTAMP 2 SSTORE NUMBER 3 SSTORE \
    GASLIMIT 4 SSTORE DIFFICULTY 5 SSTORE 1 NUMBER SUB BLOCKHASH 6 SSTORE GASPRICE 7 SSTORE NUMBER \
    BLOCKHASH 8 SSTORE";
/// Keeps what Istanbul and London added.
pub(crate) const LONDON_ENVIRONMENT: &str =
    "CHAINID 9 SSTORE BASEFEE 10 SSTORE SELFBALANCE 11 SSTORE ORIGIN BALANCE 12 SSTORE";
/// Keeps what Cancun added, and what transient storage forgets.
pub(crate) const CANCUN_ENVIRONMENT: &str = "0 BLOBHASH 13 SSTORE BLOBBASEFEE 14 SSTORE 5 TLOAD 1 \
    ADD 5 TSTORE 5 TLOAD 15 SSTORE CALLDATASIZE 0 0 CALLDATACOPY 32 0 64 MCOPY 64 MLOAD 16 SSTORE";
/// Keeps what Osaka added.
pub(crate) const OSAKA_ENVIRONMENT: &str = "0 CALLDATALOAD CLZ 0 SSTORE";
/// Keeps what Amsterdam added.
pub(crate) const AMSTERDAM_ENVIRONMENT: &str = "SLOTNUM 20 SSTORE";
/// Logs its data as the deposit contract does.
pub(crate) const DEPOSITOR: &str = "CALLDATASIZE 0 0 CALLDATACOPY \
    0x649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5 CALLDATASIZE 0 LOG1";
/// Pays its caller a wei, again and again: into an account that conflicts.
pub(crate) const PAYER: &str =
    "0 0 0 0 1 CALLER 30000 CALL 0 SSTORE 0 0 0 0 1 0 CALLDATALOAD 30000 CALL 1 SSTORE";

/// Code that deploys `runtime` after it has run `before`.
pub(crate) fn deployment(before: &str, runtime: &[u8]) -> Vec<u8> {
    let size = runtime.len();
    // The offset of the runtime code, which is the length of what copies it.
    let copy =
        |offset: usize| assemble(&format!("{before} {size} {offset} 0 CODECOPY {size} 0 RETURN"));
    let mut code = copy(copy(0).len());
    if code.len() != copy(0).len() {
        code = copy(code.len());
    }
    code.extend_from_slice(runtime);
    code
}

/// Opcodes by name, decimal or hexadecimal numbers to push, `name:` for a place to jump to and
/// `@name` to push it.
pub(crate) fn assemble(source: &str) -> Vec<u8> {
    let mut code = Vec::new();
    let mut places = Vec::new();
    let mut jumps = Vec::new();
    for word in source.split_whitespace() {
        if let Some(name) = word.strip_suffix(':') {
            places.push((name, code.len()));
            code.push(0x5b);
        } else if let Some(name) = word.strip_prefix('@') {
            jumps.push((name, code.len() + 1));
            code.extend([0x61, 0, 0]);
        } else if word.starts_with(|first: char| first.is_ascii_digit()) {
            push(&mut code, word);
        } else {
            code.push(opcode(word));
        }
    }
    for (name, at) in jumps {
        let place = places.iter().find(|place| place.0 == name).expect("a place of that name").1;
        code[at..at + 2].copy_from_slice(&(place as u16).to_be_bytes());
    }
    code
}

fn push(code: &mut Vec<u8>, number: &str) {
    let bytes = match number.strip_prefix("0x") {
        Some(digits) => alloy_primitives::hex::decode(digits).expect("an even number of digits"),
        None => number.parse::<u64>().expect("a number").to_be_bytes().to_vec(),
    };
    let zeroes = bytes.iter().take(bytes.len() - 1).take_while(|byte| **byte == 0).count();
    let bytes = &bytes[zeroes..];
    code.push(0x5f + bytes.len() as u8);
    code.extend_from_slice(bytes);
}

fn opcode(name: &str) -> u8 {
    match name {
        "STOP" => 0x00,
        "ADD" => 0x01,
        "SUB" => 0x03,
        "EQ" => 0x14,
        "CLZ" => 0x1e,
        "ADDRESS" => 0x30,
        "BALANCE" => 0x31,
        "ORIGIN" => 0x32,
        "CALLER" => 0x33,
        "CALLDATALOAD" => 0x35,
        "CALLDATASIZE" => 0x36,
        "CALLDATACOPY" => 0x37,
        "CODECOPY" => 0x39,
        "GASPRICE" => 0x3a,
        "EXTCODESIZE" => 0x3b,
        "RETURNDATASIZE" => 0x3d,
        "EXTCODEHASH" => 0x3f,
        "BLOCKHASH" => 0x40,
        "COINBASE" => 0x41,
        "TIMESTAMP" => 0x42,
        "NUMBER" => 0x43,
        "DIFFICULTY" => 0x44,
        "GASLIMIT" => 0x45,
        "CHAINID" => 0x46,
        "SELFBALANCE" => 0x47,
        "BASEFEE" => 0x48,
        "BLOBHASH" => 0x49,
        "BLOBBASEFEE" => 0x4a,
        "SLOTNUM" => 0x4b,
        "MLOAD" => 0x51,
        "SLOAD" => 0x54,
        "SSTORE" => 0x55,
        "JUMP" => 0x56,
        "JUMPI" => 0x57,
        "GAS" => 0x5a,
        "TLOAD" => 0x5c,
        "TSTORE" => 0x5d,
        "MCOPY" => 0x5e,
        "LOG0" => 0xa0,
        "LOG1" => 0xa1,
        "LOG2" => 0xa2,
        "LOG4" => 0xa4,
        "CREATE" => 0xf0,
        "CALL" => 0xf1,
        "CALLCODE" => 0xf2,
        "RETURN" => 0xf3,
        "DELEGATECALL" => 0xf4,
        "CREATE2" => 0xf5,
        "STATICCALL" => 0xfa,
        "REVERT" => 0xfd,
        "INVALID" => 0xfe,
        "SELFDESTRUCT" => 0xff,
        _ => panic!("no opcode is called {name}"),
    }
}
