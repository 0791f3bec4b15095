// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Compiles the contracts of this folder into artifacts/NAME.json.
//
//   npm ci && npm run build     write the artefacts
//   npm ci && npm run check     fail if the committed artefacts differ from what the sources give
//
// An artefact is what the workloads need to install a contract as code with storage: the runtime
// bytecode, the place of each variable and the selector of each method. It names the Keccak-256 hash
// of every source that it is compiled from, so that a test in Rust sees when they part ways. Its fields have the
// names and the form that solc and the tools around it give them.

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

const here = dirname(fileURLToPath(import.meta.url));
const artifacts = join(here, "artifacts");
const contracts = ["Token", "Pair", "Router", "PriceOracle", "LendingPool", "Nft", "Settlement"];

const settings = {
  evmVersion: "cancun",
  optimizer: { enabled: true, runs: 10000 },
  metadata: { bytecodeHash: "none", appendCBOR: false },
};

function compile() {
  const files = readdirSync(here).filter((name) => name.endsWith(".sol")).sort();
  const sources = Object.fromEntries(
    files.map((name) => [name, { content: readFileSync(join(here, name), "utf8") }]),
  );
  const outputs = ["evm.deployedBytecode.object", "evm.deployedBytecode.immutableReferences",
    "evm.methodIdentifiers", "storageLayout", "metadata"];
  const input = {
    language: "Solidity",
    sources,
    settings: { ...settings, outputSelection: { "*": { "*": outputs } } },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const problems = output.errors ?? [];
  for (const problem of problems) console.error(problem.formattedMessage);
  if (problems.length > 0) process.exit(1);
  return output.contracts;
}

// Without the compiler's numbers of its nodes and the contract's own name, which say nothing here.
const variable = ({ label, offset, slot, type }) => ({ label, offset, slot, type });

const layout = ({ storage, types }) => ({
  storage: storage.map(variable),
  types: Object.fromEntries(
    Object.entries(types ?? {})
      .sort()
      .map(([id, type]) => [id, type.members ? { ...type, members: type.members.map(variable) } : type]),
  ),
});

function artifact(name, compiled) {
  const { evm, metadata, storageLayout } = compiled;
  const immutables = Object.keys(evm.deployedBytecode.immutableReferences ?? {});
  if (immutables.length > 0) throw new Error(`${name}: immutable variables need a constructor to run`);
  const sources = Object.entries(JSON.parse(metadata).sources)
    .map(([file, { keccak256 }]) => [file, keccak256])
    .sort();
  return {
    contract: name,
    compiler: solc.version(),
    settings,
    sources_keccak256: Object.fromEntries(sources),
    deployedBytecode: { object: "0x" + evm.deployedBytecode.object },
    storageLayout: layout(storageLayout),
    methodIdentifiers: Object.fromEntries(Object.entries(evm.methodIdentifiers).sort()),
  };
}

const compiled = compile();
const check = process.argv.includes("--check");
let stale = 0;
mkdirSync(artifacts, { recursive: true });
for (const name of contracts) {
  const path = join(artifacts, `${name}.json`);
  const text = JSON.stringify(artifact(name, compiled[`${name}.sol`][name]), null, 2) + "\n";
  if (!check) writeFileSync(path, text);
  else if (readFileSync(path, "utf8") !== text) {
    console.error(`${path} differs from what its sources give; run npm run build`);
    stale += 1;
  }
}
process.exit(stale > 0 ? 1 : 0);
