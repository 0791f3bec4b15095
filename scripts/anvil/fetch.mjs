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
console.log("4 blocks: both ways tell the same, and all replays hold");
process.exit(0);
