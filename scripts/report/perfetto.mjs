// Loads a trace into Perfetto's page, and holds what its trace processor made of it against the file.
//
//   node perfetto.mjs CHROMIUM PERFETTO TRACE.json PICTURE.png

import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import puppeteer from "puppeteer-core";

const [executablePath, perfetto, trace, picture] = process.argv.slice(2);
if (picture === undefined) {
  console.error("usage: node perfetto.mjs CHROMIUM PERFETTO TRACE.json PICTURE.png");
  process.exit(2);
}
const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm", ".css": "text/css", ".json": "application/json" };
const server = createServer((request, response) => {
  const path = decodeURIComponent(new URL(request.url, "http://host").pathname);
  // The package's page asks for the trace here, once it was told that there is one.
  if (path === "/vizviewer_info") return response.writeHead(200, { "content-type": types[".json"] }).end("{}");
  const file = path === "/localtrace" ? trace : join(perfetto, path === "/" ? "index.html" : path);
  if (!existsSync(file) || !statSync(file).isFile()) return response.writeHead(404).end();
  const type = types[extname(file)] ?? "application/octet-stream";
  response.writeHead(200, { "content-type": type }).end(readFileSync(file));
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));

const browser = await puppeteer.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
let found;
try {
  const tab = await browser.newPage();
  await tab.setViewport({ width: 1200, height: 700 });
  await tab.goto(`http://127.0.0.1:${server.address().port}/`);
  await tab.waitForFunction(() => window.app && window.waitForPerfettoIdle, { timeout: 60_000 });
  found = await tab.evaluate(async () => {
    const { app } = window;
    for (let tries = 0; tries < 600 && !app.trace; tries++) await new Promise((wake) => setTimeout(wake, 100));
    if (!app.trace) throw new Error("Perfetto does not open the trace");
    await window.waitForPerfettoIdle();
    const rows = async (sql) => {
      const result = await app.trace.engine.query(sql);
      const all = [];
      for (const row = result.iter({}); row.valid(); row.next()) all.push(result.columns().map((name) => row.get(name)));
      return all;
    };
    const number = async (sql) => Number((await rows(sql))[0][0]);
    return {
      slices: await number("select count(*) from slice"),
      unended: await number("select count(*) from slice where dur < 0"),
      counters: await number("select count(*) from counter"),
      workers: (await rows("select name from thread where name glob 'worker *' order by name")).flat(),
      // What the processor dropped, did not understand, or found out of order.
      faults: (await rows("select name, value from stats where value > 0 and severity in ('error', 'data_loss')"))
        .map(([name, value]) => `${name}: ${value}`),
    };
  });
  await tab.screenshot({ path: picture, quality: picture.endsWith(".webp") ? 60 : undefined });
} finally {
  await browser.close();
  server.close();
}

const { traceEvents } = JSON.parse(readFileSync(trace, "utf8"));
const phase = (...letters) => traceEvents.filter((event) => letters.includes(event.ph));
const series = (events) => events.reduce((sum, event) => sum + Object.keys(event.args).length, 0);
const wanted = {
  slices: phase("X", "B", "i", "I", "n").length,
  counters: series(phase("C")),
  workers: phase("M").filter((event) => event.name === "thread_name").length,
};
const faults = [...found.faults];
if (found.unended > 0) faults.push(`${found.unended} slices do not end`);
if (found.slices !== wanted.slices) faults.push(`${found.slices} slices of ${wanted.slices}`);
if (found.counters !== wanted.counters) faults.push(`${found.counters} counter values of ${wanted.counters}`);
if (found.workers.length !== wanted.workers) faults.push(`${found.workers.length} workers of ${wanted.workers}`);
faults.forEach((fault) => console.error(fault));
console.log(faults.length === 0
  ? `Perfetto's trace processor has all ${found.slices} slices, ${found.counters} counter values and ` +
    `${found.workers.length} workers, and no complaint`
  : `${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);
