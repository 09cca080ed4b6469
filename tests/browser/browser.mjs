// What the browser tests share: Chromium, people who are logged in, and the watch over errors and accessibility.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { inflateRawSync } from "node:zlib";

const { ADDRESS, DATA, MODULES, PROGRAM } = process.env;
const require = createRequire(`${MODULES}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const address = ADDRESS;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream"],
});
export const close = () => browser.close();

/** A browser of its own for one of the people, `r01` or `staff`; nobody when absent. Every error on any page counts. */
export async function visit(who, { face = "yes", ...options } = {}) {
  const context = await browser.newContext({ baseURL: ADDRESS, locale: "zh-CN", timezoneId: "Asia/Shanghai", acceptDownloads: true, ...options });
  const errors = [];
  context.on("weberror", (error) => errors.push(error.error().message));
  context.on("console", (message) => message.type() === "error" && errors.push(`${message.text()} ${message.location().url}`));
  if (who) {
    const answer = await context.request.post("/demo/login", { form: { as: who, face }, maxRedirects: 0 });
    assert.equal(answer.status(), 303);
  }
  const page = await context.newPage();
  return {
    page,
    context,
    errors,
    /** Ends the visit; what a test expected to fail is named by a part of its message. */
    async end(...expected) {
      const unexpected = errors.filter((error) => !expected.some((part) => error.includes(part)));
      assert.deepEqual(unexpected, [], "no errors in the console");
      await context.close();
    },
  };
}

/** No serious fault by axe. Runs in a world of its own, past the page's policy. */
export async function accessible(page) {
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send("Page.getFrameTree");
  const { executionContextId: contextId } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id });
  const run = `${axe};axe.run().then((found) => JSON.stringify(found.violations.filter(({ impact }) => impact === "serious" || impact === "critical").map(({ id, nodes }) => id + ": " + nodes.map(({ html }) => html.slice(0, 160)).join(" | "))))`;
  const { result } = await session.send("Runtime.evaluate", { expression: run, contextId, awaitPromise: true });
  assert.deepEqual(JSON.parse(result.value), [], `accessibility of ${page.url()}`);
  await session.detach();
}

/** What a click on something downloads. */
export async function download(page, locator) {
  const [saved] = await Promise.all([page.waitForEvent("download"), locator.click()]);
  const name = saved.suggestedFilename();
  return { name, bytes: readFileSync(await saved.path()) };
}

/** What `certpress verify` says of a file, with the register of the service asked. */
export function verdict(name, bytes) {
  const file = `${DATA}/${name}`;
  writeFileSync(file, bytes);
  const args = ["verify", file, "--json", "--keys", `${DATA}/keys`, "--register", ADDRESS];
  try {
    return JSON.parse(execFileSync(PROGRAM, args, { encoding: "utf8" }));
  } catch (error) {
    return JSON.parse(error.stdout);
  }
}

/** One entry of a zip, by the end of its name. */
export function entry(zip, ending) {
  for (let at = zip.indexOf("PK\x01\x02"); at >= 0; at = zip.indexOf("PK\x01\x02", at + 4)) {
    const length = zip.readUInt16LE(at + 28);
    if (!zip.toString("utf8", at + 46, at + 46 + length).endsWith(ending)) continue;
    const [method, size, local] = [zip.readUInt16LE(at + 10), zip.readUInt32LE(at + 20), zip.readUInt32LE(at + 42)];
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const packed = zip.subarray(start, start + size);
    return (method === 0 ? packed : inflateRawSync(packed)).toString("utf8");
  }
  throw new Error(`no ${ending} in the archive`);
}

/** 加注 through the API as one of the people: the entry, its OFD, and the digits of its code. */
export async function annotated(context) {
  const { licences } = await (await context.request.get("/api/v1/me/licences")).json();
  const made = await (await context.request.post(`/api/v1/licences/${licences[0].id}/annotations`)).json();
  assert.equal(made.state, "ready");
  const ofd = Buffer.from(await (await context.request.get(made.files.ofd)).body());
  const digits = /\/v\/(\d{100,})/.exec(entry(ofd, "OFD.xml"))[1];
  return { ...made, ofd, digits, licence: licences[0] };
}

/** Today in Shanghai. */
export const today = () => new Date(Date.now() + 8 * 3600_000).toISOString().slice(0, 10);
