// Real clients against `block-stm chain serve`: viem, cast, and our own `fetch`.
//
//   node clients.mjs BLOCK_STM CHAIN FOLDER
//
// CHAIN has genesis.json and chain.rlp, FOLDER is empty. Ends with 1 if anything is not as it must be.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createPublicClient, http, keccak256 } from "viem";

const [binary, chain, folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error("usage: node clients.mjs BLOCK_STM CHAIN FOLDER");
  process.exit(2);
}

function check(holds, what) {
  if (!holds) throw new Error(what);
}

const server = spawn(binary, ["chain", "serve", "--genesis", join(chain, "genesis.json"), "--store", join(folder, "store"),
  join(chain, "chain.rlp"), "--listen", "127.0.0.1:0"], { stdio: ["ignore", "inherit", "pipe"] });
process.on("exit", () => server.kill("SIGKILL"));
const url = await new Promise((resolve, reject) => {
  createInterface({ input: server.stderr }).on("line", (line) => {
    console.error(line);
    const found = line.match(/listening on (http:\S+)/);
    if (found !== null) resolve(found[1]);
  });
  server.on("exit", (code) => reject(new Error(`the server ended with ${code}`)));
});

// While blocks are imported: the head only grows, and each block is the child of the one before it.
// All logs of this chain together are more than viem takes by itself.
const viem = createPublicClient({ transport: http(url, { maxResponseBodySize: 64 << 20 }) });
let head = -1n;
for (let same = 0; same < 20; ) {
  const block = await viem.getBlock({ blockTag: "latest" });
  check(block.number >= head, `the head goes back from ${head} to ${block.number}`);
  same = block.number === head ? same + 1 : 0;
  head = block.number;
  await new Promise((resolve) => setTimeout(resolve, 50));
}
check(head > 0n, "blocks are imported");

const chainId = await viem.getChainId();
let parent;
let logs = 0;
let txns = 0;
for (let blockNumber = 0n; blockNumber <= head; blockNumber++) {
  const block = await viem.getBlock({ blockNumber, includeTransactions: true });
  check(parent === undefined || block.parentHash === parent, `block ${blockNumber} follows`);
  parent = block.hash;
  for (const txn of block.transactions) {
    txns++;
    check(txn.chainId === undefined || txn.chainId === chainId, `the chain of ${txn.hash}`);
    const receipt = await viem.getTransactionReceipt({ hash: txn.hash });
    check(receipt.blockHash === block.hash && receipt.from === txn.from, `the receipt of ${txn.hash}`);
    logs += receipt.logs.length;
    check((await viem.getTransactionCount({ address: txn.from, blockNumber })) > txn.nonce, `the nonce of ${txn.from}`);
    if (receipt.contractAddress && receipt.status === "success") {
      const code = await viem.getCode({ address: receipt.contractAddress, blockNumber });
      const proof = await viem.getProof({ address: receipt.contractAddress, storageKeys: [`0x${"0".repeat(64)}`] });
      check(code === undefined || keccak256(code).length === 66, "code");
      check(proof.accountProof.length > 0, "a proof");
    }
  }
}
const found = await viem.getLogs({ fromBlock: 0n, toBlock: head });
check(found.length === logs, `${found.length} logs of ${logs}`);
const { accountProof } = await viem.getProof({ address: `0x${"11".repeat(20)}`, storageKeys: [] });
const { stateRoot } = await viem.getBlock({ blockNumber: head });
check(keccak256(accountProof[0]) === stateRoot, "the proof begins at the state root");
await viem.call({ to: `0x${"11".repeat(20)}` });
check((await viem.estimateGas({ to: `0x${"11".repeat(20)}` })) === 21000n, "a payment takes 21000 gas");
console.log(`viem: ${head} blocks, ${txns} transactions, ${logs} logs`);

function cast(...args) {
  const { status, stdout, stderr } = spawnSync(join(import.meta.dirname, "node_modules/.bin/cast"), args,
    { encoding: "utf8", maxBuffer: 256 << 20, env: { ...process.env, ETH_RPC_URL: url } });
  check(status === 0, `cast ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}
check(BigInt(cast("block-number")) === head, "cast block-number");
check(BigInt(cast("chain-id")) === BigInt(chainId), "cast chain-id");
check(cast("block", "latest", "--field", "hash") === parent, "cast block");
const block = await viem.getBlock({ blockNumber: head });
const [hash] = block.transactions;
if (hash !== undefined) {
  const { from, to } = await viem.getTransaction({ hash });
  check(cast("receipt", hash, "blockHash") === parent, "cast receipt");
  check(JSON.parse(cast("tx", hash, "--json")).hash === hash, "cast tx");
  check(BigInt(cast("balance", from)) === (await viem.getBalance({ address: from })), "cast balance");
  check(BigInt(cast("nonce", from)) === BigInt(await viem.getTransactionCount({ address: from })), "cast nonce");
  if (to !== null) cast("code", to), cast("storage", to, "0");
}
check(JSON.parse(cast("logs", "--from-block", "0", "--to-block", String(head), "--json")).length === logs, "cast logs");
check(JSON.parse(cast("proof", `0x${"11".repeat(20)}`)).accountProof[0] === accountProof[0], "cast proof");
const options = '{"tracer":"callTracer"}';
const traces = JSON.parse(cast("rpc", "debug_traceBlockByNumber", `0x${head.toString(16)}`, options));
check(traces.length === block.transactions.length, "cast rpc debug_traceBlockByNumber");
console.log("cast: block, chain, transaction, receipt, account, logs, proof and traces are the same");

function blockStm(...args) {
  const { status, stdout, stderr } = spawnSync(binary, args, { encoding: "utf8" });
  process.stdout.write(stdout + stderr);
  check(status === 0, `block-stm ${args.join(" ")}`);
}
const blocks = join(folder, "blocks");
const genesis = ["--genesis", join(chain, "genesis.json")];
blockStm("fetch", "--rpc", url, ...genesis, `${head - 9n}..${head}`, "--out", blocks);
blockStm("replay", blocks, "--repeat", "1");

server.removeAllListeners("exit");
server.kill("SIGINT");
const [code] = await once(server, "exit");
check(code === 130, `an interrupt ends with 130, not ${code}`);
process.exit(0);
