// Looks at a page of `block-stm report` in Chromium: no error, no request, nothing wider than the screen, every chart drawn,
// moved by the keyboard and by touch sizes, light and dark; one picture of the page for each of these, and one of each part
// of the page, wide and as narrow as a phone.
//
//   node views.mjs CHROMIUM REPORT.html FOLDER

import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const [executablePath, page, folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error("usage: node views.mjs CHROMIUM REPORT.html FOLDER");
  process.exit(2);
}
mkdirSync(folder, { recursive: true });

// The parts of a page: from the top of the first element to the end of the last one.
const PARTS = {
  head: ["header", "header"],
  table: ["#table", "#table"],
  speed: ["#speed", "#speed"],
  spread: ["#spread", "#spread"],
  work: ["#block h3:nth-of-type(1)", "#time-chart"],
  graph: ["#block h3:nth-of-type(2)", "#graph-chart"],
  places: ["#block h3:nth-of-type(3)", "#places"],
  checks: ["#held", "#held"],
};

// Pictures of all parts; a long one is cut.
async function pictures(tab, view, width) {
  // The block with the most dependencies has most to show.
  await tab.evaluate(() => {
    const { details } = JSON.parse(document.getElementById("data").textContent);
    const which = document.getElementById("which");
    const most = details.reduce((best, block, place) => (block.edges.length > details[best].edges.length ? place : best), 0);
    which.value = String(most);
    which.dispatchEvent(new Event("change"));
    for (const part of document.querySelectorAll(".scroll")) part.scrollTo(0, 0);
  });
  for (const [part, ends] of Object.entries(PARTS)) {
    const [top, bottom] = await tab.evaluate(([first, last]) => {
      const box = (selector) => document.querySelector(selector).getBoundingClientRect();
      return [box(first).top + window.scrollY, box(last).bottom + window.scrollY];
    }, ends);
    const clip = { x: 0, y: Math.max(0, top - 8), width, height: Math.min(bottom - top + 16, 700) };
    const path = join(folder, `${part}-${view}.webp`);
    await tab.screenshot({ path, clip, captureBeyondViewport: true, type: "webp", quality: 60 });
  }
}
const faults = [];
const browser = await puppeteer.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
try {
  for (const [view, width, scheme] of [["wide", 1200, "light"], ["dark", 1200, "dark"], ["phone", 390, "light"]]) {
    const tab = await browser.newPage();
    tab.on("console", (message) => message.type() === "error" && faults.push(`${view}: console: ${message.text()}`));
    tab.on("pageerror", (error) => faults.push(`${view}: ${error.message}`));
    tab.on("request", (request) => {
      if (!request.url().startsWith("file:") && !request.url().startsWith("data:")) faults.push(`${view}: asks for ${request.url()}`);
    });
    await tab.setViewport({ width, height: 900 });
    await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await tab.goto(pathToFileURL(resolve(page)).href);
    const sizes = await tab.evaluate(() => ({
      over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      empty: ["speed-chart", "spread-chart", "time-chart", "graph-chart", "heat-chart", "rows", "checks"]
        .filter((id) => document.getElementById(id).getBoundingClientRect().height < 20),
      unnamed: [...document.querySelectorAll("svg")].filter((svg) => !svg.getAttribute("aria-label")).length,
      headings: [...document.querySelectorAll("h1,h2,h3")].filter((heading) => heading.textContent === "").length,
    }));
    if (sizes.over > 0) faults.push(`${view}: ${sizes.over} pixels wider than the screen`);
    if (sizes.empty.length > 0) faults.push(`${view}: nothing in ${sizes.empty}`);
    if (sizes.unnamed + sizes.headings > 0) faults.push(`${view}: charts or headings without words`);
    // The keyboard moves the time line, and sorts the table.
    const before = await tab.$eval("#time-chart .tick text", (text) => text.parentElement.parentElement.textContent);
    await tab.$eval("#time-chart svg", (chart) => chart.focus());
    for (const key of ["+", "+", "ArrowRight"]) await tab.keyboard.press(key);
    const after = await tab.$eval("#time-chart .tick text", (text) => text.parentElement.parentElement.textContent);
    if (before === after) faults.push(`${view}: the keyboard does not move the time line`);
    await tab.keyboard.press("0");
    await tab.focus("#rows thead th:nth-child(6) button");
    await tab.keyboard.press("Enter");
    const order = await tab.$eval("#rows thead th:nth-child(6)", (heading) => heading.getAttribute("aria-sort"));
    if (order !== "descending") faults.push(`${view}: the keyboard does not sort the table`);
    await tab.evaluate(() => document.activeElement.blur());
    await tab.screenshot({ path: join(folder, `${view}.png`), fullPage: true });
    if (view !== "dark") await pictures(tab, view, width);
    await tab.close();
  }
} finally {
  await browser.close();
}
faults.forEach((fault) => console.error(fault));
console.log(faults.length === 0 ? "three views: no error, no request, all charts drawn" : `${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);
