// Makes the chain in crates/block-stm-chain/tests/data/devnet: EthereumJS, a client that shares no code with revm, builds
// blocks of our contracts' transactions.
//
//   npm install && node make.mjs INPUT FOLDER
//
// INPUT has the alloc.json of `block-stm t8n-input` and the body.rlp of `block-stm t8n`; `just devnet` does all of it.
// The chain starts from the input's accounts, and has its transactions in their order, some dozens per block, together with
// what workloads do not do: deployments, delegations, access lists, failing calls, legacy transactions, requests,
// withdrawals. FOLDER gets genesis.json and chain.rlp, the blocks one after the other.
//
// (anvil was tried first: the roots in its headers count empty accounts and slots of zero, which no trie holds.)

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createBlock } from "@ethereumjs/block";
import { Common, Hardfork, Mainnet } from "@ethereumjs/common";
import { createTxFromRLP } from "@ethereumjs/tx";
import { bytesToHex, createWithdrawal, hexToBytes } from "@ethereumjs/util";
import { buildBlock, createVM } from "@ethereumjs/vm";
import { concatHex, fromRlp, keccak256, numberToHex, pad } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const CHAIN_ID = 1;
const START = 1_767_225_600 - 12;
const BLOCKS = 12;
const BASE_FEE = 10n ** 10n;
const GAS_LIMIT = 60_000_000n;
const ETHER = 10n ** 18n;
const GWEI = 10n ** 9n;
const WITHDRAWAL_REQUESTS = "0x00000961ef480eb55e80d19ad83579a64c007002";

const [input, folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error("usage: node make.mjs INPUT FOLDER");
  process.exit(2);
}
const read = (name) => JSON.parse(readFileSync(join(input, name), "utf8"));
const alloc = read("alloc.json");
// Typed transactions are strings in a body, as they are on the wire.
const workload = fromRlp(read("body.rlp"));

// Three accounts of our own, for what workloads do not do.
const accounts = ["a", "b", "c"].map((name) => privateKeyToAccount(keccak256(Buffer.from(`devnet ${name}`))));
for (const account of accounts) {
  alloc[account.address.toLowerCase()] = { balance: numberToHex(1_000n * ETHER) };
}
const [deployer, delegator, payer] = accounts;

const config = {
  chainId: CHAIN_ID, homesteadBlock: 0, eip150Block: 0, eip155Block: 0, eip158Block: 0, byzantiumBlock: 0,
  constantinopleBlock: 0, petersburgBlock: 0, istanbulBlock: 0, berlinBlock: 0, londonBlock: 0,
  terminalTotalDifficulty: 0, terminalTotalDifficultyPassed: true, shanghaiTime: 0, cancunTime: 0, pragueTime: 0,
};
const genesis = {
  config, alloc, nonce: "0x0", timestamp: numberToHex(START), extraData: "0x", gasLimit: numberToHex(GAS_LIMIT),
  difficulty: "0x0", mixHash: pad("0x0"), coinbase: pad("0x0", { size: 20 }), baseFeePerGas: numberToHex(BASE_FEE),
  excessBlobGas: "0x0", blobGasUsed: "0x0",
};

// Code that deploys `runtime`: PUSH2 size, PUSH1 12, PUSH0, CODECOPY, PUSH2 size, PUSH0, RETURN.
function deployment(runtime) {
  const size = numberToHex((runtime.length - 2) / 2, { size: 2 });
  return concatHex(["0x61", size, "0x600c5f3961", size, "0x5ff3", runtime]);
}

const nonces = new Map(accounts.map((account) => [account.address, 0]));
function next(account) {
  const nonce = nonces.get(account.address);
  nonces.set(account.address, nonce + 1);
  return nonce;
}
const fees = { maxFeePerGas: 40n * GWEI, maxPriorityFeePerGas: GWEI };
const sign = (account, txn) =>
  account.signTransaction({ chainId: CHAIN_ID, gas: 3_000_000n, nonce: next(account), ...fees, ...txn });
const signPriced = (account, txn) =>
  account.signTransaction({ chainId: CHAIN_ID, gas: 100_000n, gasPrice: 40n * GWEI, nonce: next(account), ...txn });

const contracts = Object.keys(alloc).filter((address) => alloc[address].code?.length > 4_000);

// What is in block `number` beside its share of the workload.
async function extras(number) {
  const target = contracts[number % contracts.length];
  // Delegated, called through the delegation, and cleared, in turn.
  const contractAddress = number % 3 === 2 ? pad("0x0", { size: 20 }) : target;
  const authorization =
    await delegator.signAuthorization({ contractAddress, chainId: CHAIN_ID, nonce: next(delegator) });
  return Promise.all([
    sign(deployer, { data: deployment(alloc[target].code) }),
    sign(payer, { to: delegator.address, value: 1n }),
    // No method of the contract: it reverts.
    signPriced(payer, {
      type: "eip2930", to: target, data: pad(numberToHex(number)),
      accessList: [{ address: target, storageKeys: [pad("0x2")] }],
    }),
    signPriced(payer, { type: "legacy", to: numberToHex(number + 1_000, { size: 20 }), value: 1n }),
    sign(payer, { to: delegator.address, authorizationList: [authorization], value: 1n }),
    sign(payer, { to: WITHDRAWAL_REQUESTS, data: numberToHex(number, { size: 56 }), value: GWEI }),
  ]);
}

const common = new Common({ chain: Mainnet, hardfork: Hardfork.Prague });
const vm = await createVM({ common });
await vm.stateManager.generateCanonicalGenesis(
  Object.fromEntries(Object.entries(alloc).map(([address, account]) => {
    const storage = Object.entries(account.storage ?? {});
    return [address, [account.balance, account.code ?? "0x", storage, account.nonce ?? "0x0"]];
  })),
);
const stateRoot = await vm.stateManager.getStateRoot();
let parent = createBlock(
  { header: { ...genesis, nonce: "0x0000000000000000", number: 0, stateRoot, requestsHash: pad("0x0") } },
  { common, setHardfork: false },
);
const withdrawal = (number) =>
  createWithdrawal({ index: number, validatorIndex: 7, address: accounts[number % 3].address, amount: number });

const blocks = [];
const share = Math.ceil(workload.length / BLOCKS);
for (let number = 1; number <= BLOCKS; number++) {
  const txns = workload.slice((number - 1) * share, number * share);
  txns.splice(txns.length / 2, 0, ...await extras(number));
  const builder = await buildBlock(vm, {
    parentBlock: parent,
    headerData: {
      timestamp: START + 12 * number, gasLimit: GAS_LIMIT, coinbase: "0x00000000000000000000000000000000c01bba5e",
      parentBeaconBlockRoot: keccak256(numberToHex(number)), mixHash: keccak256(numberToHex(number + 99)),
      baseFeePerGas: parent.header.calcNextBaseFee(),
    },
    withdrawals: [withdrawal(number)],
    blockOpts: { putBlockIntoBlockchain: false },
  });
  for (const txn of txns) await builder.addTransaction(createTxFromRLP(hexToBytes(txn), { common }));
  const { block } = await builder.build();
  blocks.push(block.serialize());
  const { gasUsed } = block.header;
  console.log(`block ${number}: ${block.transactions.length} txns, ${gasUsed} gas, ${bytesToHex(block.hash())}`);
  parent = block;
}
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, "genesis.json"), `${JSON.stringify(genesis)}\n`);
writeFileSync(join(folder, "chain.rlp"), Buffer.concat(blocks));
