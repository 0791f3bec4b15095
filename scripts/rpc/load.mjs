// Imports a chain without readers and with eight of them, and says what they cost.
//
//   node load.mjs BLOCK_STM CHAIN FOLDER

import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

const [binary, chain, folder] = process.argv.slice(2);
const READERS = 8;
const address = `0x${"11".repeat(20)}`;
const questions = [
  ["eth_getBlockByNumber", ["latest", false]], ["eth_getBalance", [address, "latest"]],
  ["eth_getLogs", [{}]], ["eth_call", [{ to: address }, "latest"]], ["eth_getProof", [address, [], "latest"]],
];

async function reader(url, place, counts) {
  for (let turn = place; !counts.over; turn++) {
    const [method, params] = questions[turn % questions.length];
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ jsonrpc: "2.0", id: turn, method, params }),
      });
      const { error } = await response.json();
      error === undefined ? counts.answers++ : counts.errors++;
    } catch {
      counts.errors += counts.over ? 0 : 1;
    }
  }
}

async function run(name, readers) {
  const child = spawn(binary, ["chain", "serve", "--genesis", join(chain, "genesis.json"), "--store", join(folder, name),
    join(chain, "chain.rlp"), "--listen", "127.0.0.1:0", "--once", "--json"], { stdio: ["ignore", "pipe", "pipe"] });
  const counts = { answers: 0, errors: 0, over: false };
  const asking = [];
  createInterface({ input: child.stderr }).on("line", (line) => {
    const found = line.match(/listening on (http:\S+)/);
    if (found === null) return console.error(line);
    for (let place = 0; place < readers; place++) asking.push(reader(found[1], place, counts));
  });
  let text = "";
  child.stdout.on("data", (part) => (text += part));
  const code = await new Promise((resolve) => child.on("close", resolve));
  counts.over = true;
  await Promise.all(asking);
  if (code !== 0) throw new Error(`exit code ${code}`);
  const { blocks, txns, seconds } = JSON.parse(text);
  const rate = txns / seconds;
  console.log(`${name}: ${blocks} blocks, ${txns} txns in ${seconds.toFixed(2)} s: ${Math.round(rate)} txns/s; ` +
    `${counts.answers} answers, ${counts.errors} errors`);
  return rate;
}

const [alone, read] = [await run("no readers", 0), await run(`${READERS} readers`, READERS)];
console.log(`readers cost ${(100 * (1 - read / alone)).toFixed(1)} % of the rate`);
