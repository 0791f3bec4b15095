// Fetches blocks from a real node: starts an anvil, makes blocks, fetches them in both ways, and replays them.
//
//   node fetch.mjs BLOCK_STM FOLDER
//
// BLOCK_STM is the binary, FOLDER is made anew. Ends with 1 if anything is not as it must be.

import { spawn, spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { once } from "node:events";
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

const [binary, folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error("usage: node fetch.mjs BLOCK_STM FOLDER");
  process.exit(2);
}
mkdirSync(folder);

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

const port = await freePort();
const url = `http://127.0.0.1:${port}`;
const anvil = spawn(join(import.meta.dirname, "node_modules/.bin/anvil"), ["--port", String(port), "--silent"], {
  stdio: "inherit",
});
process.on("exit", () => anvil.kill());

async function rpc(method, ...params) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const { result, error } = await response.json();
  if (error !== undefined) throw new Error(`${method}: ${error.message}`);
  return result;
}

async function started() {
  for (let tries = 0; tries < 100; tries++) {
    try {
      return await rpc("eth_accounts");
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  throw new Error("anvil does not start");
}

const accounts = await started();
const gas = "0x100000";
await rpc("evm_setAutomine", false);
// A payment to nobody yet, and a contract that counts its calls in slot 0 and keeps the parent's hash in slot 1.
const runtime = "5f546001015f55600143034060015500";
const [payer, author] = accounts;
await rpc("eth_sendTransaction", { from: payer, to: `0x${"11".repeat(20)}`, value: "0x5" });
const deployed = await rpc("eth_sendTransaction", { from: author, gas, data: `0x6f${runtime}5f5260106010f3` });
await rpc("evm_mine");
const { contractAddress } = await rpc("eth_getTransactionReceipt", deployed);
for (let block = 0; block < 3; block++) {
  for (const from of accounts) await rpc("eth_sendTransaction", { from, gas, to: contractAddress });
  await rpc("evm_mine");
}

function run(args, code = 0) {
  console.log(`block-stm ${args.join(" ")}`);
  const { status, stdout, stderr } = spawnSync(binary, args, { encoding: "utf8" });
  process.stdout.write(args.includes("--json") ? stderr : stdout + stderr);
  if (status !== code) throw new Error(`exit code ${status} in place of ${code}`);
  return stdout;
}

const fetched = {};
for (const way of ["tracer", "execution"]) {
  const out = join(folder, way);
  run(["fetch", "--rpc", url, "1..latest", "--out", out, "--pre-state", way]);
  fetched[way] = Object.fromEntries(readdirSync(out).flatMap((number) =>
    readdirSync(join(out, number)).map((name) => [`${number}/${name}`, readFileSync(join(out, number, name), "utf8")])));
}
const names = Object.keys(fetched.tracer);
if (names.filter((name) => name.endsWith("block.json")).length !== 4) throw new Error(`four blocks: ${names}`);
if (!names.includes("4/blockhashes.json")) throw new Error(`BLOCKHASH was asked: ${names}`);
if (JSON.stringify(fetched.tracer) !== JSON.stringify(fetched.execution)) throw new Error("the ways differ");
run(["fetch", "--rpc", url, "1..latest", "--out", join(folder, "tracer")]);
const { blocks } = JSON.parse(run(["replay", join(folder, "tracer"), "--repeat", "1", "--json"]));
if (blocks.length !== 4 || !blocks.every(({ ok }) => ok)) throw new Error("a replay fails");
// What serialises these blocks is the counter, which all calls write.
const explained = run(["explain", join(folder, "tracer", "4"), "--json"]);
if (!explained.toLowerCase().includes(contractAddress.toLowerCase().slice(2))) throw new Error("the contract is not named");

// From nothing to an answer, as the author of a market would: deploy it, trade, fetch the block, and ask why it is slow.
const artifacts = join(import.meta.dirname, "../../crates/block-stm-workloads/contracts/artifacts");
const artifact = (name) => join(artifacts, `${name}.json`);
const contract = (name) => JSON.parse(readFileSync(artifact(name), "utf8"));
const word = (value) => BigInt(value).toString(16).padStart(64, "0");
const call = (name, signature, ...words) =>
  `0x${contract(name).methodIdentifiers[signature]}${words.map(word).join("")}`;

async function mined(transactions) {
  const hashes = [];
  for (const txn of transactions) hashes.push(await rpc("eth_sendTransaction", { gas: "0x400000", ...txn }));
  await rpc("evm_mine");
  const receipts = await Promise.all(hashes.map((hash) => rpc("eth_getTransactionReceipt", hash)));
  if (!receipts.every(({ status }) => status === "0x1")) throw new Error("a transaction of the market fails");
  return receipts;
}

// The artefacts have the code that runs; what constructors would store is put there.
function deployment(name) {
  const code = contract(name).deployedBytecode.object.slice(2);
  const size = (code.length / 2).toString(16).padStart(4, "0");
  return { from: author, data: `0x61${size}600c5f3961${size}5ff3${code}` };
}
const deployments = await mined(["Token", "Token", "Pair", "Router"].map(deployment));
const [one, other, pair, router] = deployments.map(({ contractAddress }) => contractAddress);
const [token0, token1] = [one, other].sort();
const store = (address, slot, value) => rpc("anvil_setStorageAt", address, `0x${word(slot)}`, `0x${word(value)}`);
for (const token of [token0, token1]) await store(token, 5, author);
await store(pair, 5, token0);
await store(pair, 6, token1);
await store(router, 0, author);
const much = 10n ** 24n;
const traders = accounts.slice(2);
const mint = (token, to) => ({ from: author, to: token, data: call("Token", "mint(address,uint256)", to, much) });
await mined([
  { from: author, to: router, data: call("Router", "register(address)", pair) },
  ...[token0, token1].flatMap((token) => [pair, ...traders].map((to) => mint(token, to))),
  ...traders.flatMap((from) => [token0, token1].map((to) =>
    ({ from, to, data: call("Token", "approve(address,uint256)", router, much) }))),
]);
await mined([{ from: author, to: pair, data: call("Pair", "mint(address)", author) }]);
const swap = (from, [sold, bought]) => ({
  from, to: router,
  data: call("Router", "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)",
    10n ** 18n, 1, 0xa0, from, 2n ** 40n, 2, sold, bought),
});
await mined(traders.map((from, place) => swap(from, place % 2 ? [token0, token1] : [token1, token0])));

const market = join(folder, "market");
run(["fetch", "--rpc", url, "latest", "--out", market, "--proofs"]);
if (!readdirSync(join(market, readdirSync(market)[0])).includes("proofs.json")) throw new Error("no proofs");
const layouts = ["Pair", "Token", "Router"].flatMap((name) => ["--layout", artifact(name)]);
const answer = JSON.parse(run(["explain", market, ...layouts, "--json"]));
const { locations } = answer.blocks[0];
console.log(locations.map(({ name, readers }) => `${name}: ${readers} waited`).join("\n"));
const reserves = locations.find(({ name }) => name.includes("reserve0"));
if (reserves?.readers !== traders.length - 1) throw new Error("explain does not name the reserves");
// A person reads the same, and the page shows it.
if (!run(["explain", market, ...layouts]).includes("Pair.reserve0 / reserve1")) throw new Error("the table lacks the reserves");
const page = join(folder, "market.html");
run(["report", market, ...layouts, "--threads", "1,2", "--repeat", "1", "--out", page]);
if (!readFileSync(page, "utf8").includes("Pair.reserve0 / reserve1")) throw new Error("the page lacks the reserves");
run(["timeline", readdirSync(market).map((number) => join(market, number))[0], "--out", join(folder, "trace.json")]);
console.log("4 blocks: both ways tell the same, all replays hold, and the market's reserves are named, on the page as well");
process.exit(0);
