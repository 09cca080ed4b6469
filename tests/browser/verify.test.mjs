// The verifier's page: every answer, files and pictures handed in, and codes judged with the network cut.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { accessible, address, annotated, close, visit } from "./browser.mjs";

after(close);

const made = {};
let staff;

before(async () => {
  for (const [name, who] of Object.entries({ valid: "r19", suspended: "r05", revoked: "r16", reissued: "r17" })) {
    const { context } = await visit(who);
    made[name] = await annotated(context);
    made[name].preview = Buffer.from(await (await context.request.get(made[name].files.preview)).body());
    made[name].pdf = Buffer.from(await (await context.request.get(made[name].files.pdf)).body());
    await context.close();
  }
  staff = await visit("staff");
  const decide = async (licence, action) => {
    const answer = await staff.context.request.post(`/api/v1/licences/${licence}/${action}`, { data: { reason: "浏览器测试" } });
    assert.ok(answer.ok(), `${action}: ${await answer.text()}`);
  };
  await decide(made.suspended.licence.id, "suspend");
  await decide(made.revoked.licence.id, "revoke");
  await decide(made.reissued.licence.id, "reissue");
});

const headline = (page) => page.locator("#answer h1");
const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

for (const [name, said, tone] of [
  ["valid", "有效", "good"],
  ["suspended", "已暂扣", "bad"],
  ["revoked", "已撤销", "bad"],
  ["reissued", "已被新版本替代", "warn"],
]) {
  test(`the address of a code on a phone: ${said}`, async () => {
    const visitor = await visit(null, phone);
    const { page } = visitor;
    await page.goto(`/v/${made[name].digits}`);
    assert.equal(await headline(page).innerText(), said);
    assert.match(await page.locator("#answer").getAttribute("class"), new RegExp(tone));
    const answer = await page.locator("#answer").innerText();
    const { licence } = made[name];
    for (const part of [licence.number, licence.title, `${[...licence.holder_name][0]}*`, "答复时间：", "请核对纸面"]) assert.ok(answer.includes(part), `${part} in ${answer}`);
    assert.ok(!answer.includes(licence.holder_name), "the name is masked");
    const box = await headline(page).boundingBox();
    assert.ok(box.y < 400 && box.height >= 30, "the answer is large and at the top");
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360);
    await accessible(page);
    await visitor.end();
  });
}

test("forged, misread and never issued get one and the same answer", async () => {
  const visitor = await visit();
  const { page } = visitor;
  const { digits } = made.valid;
  const forged = digits.slice(0, 40) + ((Number(digits[40]) + 1) % 10) + digits.slice(41);
  for (const path of [forged, "1", "9".repeat(300), "x"]) {
    await page.goto(`/v/${path}`);
    assert.equal(await headline(page).innerText(), "不是本机关签发");
    assert.ok(await page.locator('[data-slot="licence"]').isHidden());
  }
  await accessible(page);
  await visitor.end();
});

const hand = async (page, name, mimeType, buffer) => {
  await page.locator("#file").setInputFiles({ name, mimeType, buffer });
  await headline(page).filter({ hasText: /./ }).waitFor();
  return headline(page).innerText();
};

test("a PDF, an OFD and a picture are handed in; a changed file and a text are not believed", async () => {
  const visitor = await visit();
  const { page } = visitor;
  const { pdf, ofd, preview } = made.valid;
  const changed = Buffer.from(pdf);
  changed[changed.length >> 1] ^= 1;
  for (const [name, type, bytes, said] of [
    ["a.pdf", "application/pdf", pdf, "有效"],
    ["a.ofd", "application/ofd", ofd, "有效"],
    ["a.png", "image/png", preview, "有效"],
    ["b.pdf", "application/pdf", changed, null],
    ["c.png", "image/png", Buffer.from("no picture"), null],
  ]) {
    await page.goto("/verify");
    const answer = await hand(page, name, type, bytes);
    if (said) assert.equal(answer, said, name);
    else assert.notEqual(answer, "有效", name);
  }
  await visitor.end();
});

test("a typed code is followed; one with another address is not", async () => {
  const visitor = await visit();
  const { page } = visitor;
  await page.goto("/verify");
  await accessible(page);
  const { digits } = made.valid;
  await page.getByLabel("或输入二维码的内容").fill(`https://evil.example/v/${digits}`);
  await page.getByLabel("或输入二维码的内容").press("Enter");
  await headline(page).filter({ hasText: "网址不对" }).waitFor();
  await page.getByLabel("或输入二维码的内容").fill(digits);
  await page.getByLabel("或输入二维码的内容").press("Enter");
  await page.waitForURL(`**/v/${digits}`);
  assert.equal(await headline(page).innerText(), "有效");
  await visitor.end();
});

test("the camera reads a code where the browser can; without leave it says what else to do", async () => {
  const visitor = await visit(null, phone);
  const { page, context } = visitor;
  // Chromium on Linux has no detector: this one sees what a camera would.
  await page.addInitScript((seen) => {
    window.BarcodeDetector = class {
      static getSupportedFormats = async () => ["qr_code"];
      detect = async () => [{ rawValue: seen }];
    };
  }, made.valid.digits);
  await page.goto("/verify");
  await page.getByRole("button", { name: "扫描二维码" }).click();
  await page.getByText("不能使用摄像头").waitFor();
  await context.grantPermissions(["camera"]);
  await page.getByRole("button", { name: "扫描二维码" }).click();
  await page.waitForURL(`**/v/${made.valid.digits}`);
  assert.equal(await headline(page).innerText(), "有效");
  await visitor.end();
});

test("with the network cut: an address that a camera opens, a typed code, a forged one, and 'as of'", async () => {
  const visitor = await visit(null, phone);
  const { page, context } = visitor;
  await page.goto("/verify");
  await page.waitForFunction(() => "ready" in document.documentElement.dataset && navigator.serviceWorker.controller);
  await context.setOffline(true);

  for (const [name, said] of [
    ["valid", "有效"],
    ["suspended", "已暂扣"],
    ["revoked", "已失效"],
    ["reissued", "已被新版本替代"],
  ]) {
    await page.goto(`${address}/v/${made[name].digits}`);
    await headline(page).filter({ hasText: said }).waitFor();
    const answer = await page.locator("#answer").innerText();
    assert.match(answer, /没有网络：由本机核验签名，状态数据截至 \d{4}-\d\d-\d\d \d\d:\d\d:\d\d。/);
    assert.ok(answer.includes(made[name].licence.number) && answer.includes(made[name].licence.title));
    assert.ok(!answer.includes(made[name].licence.holder_name));
  }
  await accessible(page);

  const { digits } = made.valid;
  await page.goto(`${address}/verify`);
  await page.getByText("现在没有网络").waitFor();
  await page.getByLabel("或输入二维码的内容").fill(`${digits.slice(0, -1)}${(Number(digits.at(-1)) + 1) % 10}`);
  await page.getByRole("button", { name: "核验" }).last().click();
  await headline(page).filter({ hasText: "不是本机关签发" }).waitFor();
  await page.getByLabel("或输入二维码的内容").fill(digits);
  await page.getByRole("button", { name: "核验" }).last().click();
  await headline(page).filter({ hasText: "有效" }).waitFor();
  await visitor.end("ERR_INTERNET_DISCONNECTED", "ERR_FAILED");
});

test("who is logged in leaves nothing of themselves in the kept page", async () => {
  const visitor = await visit("r19");
  const { page } = visitor;
  await page.goto("/verify");
  await page.waitForFunction(() => "ready" in document.documentElement.dataset);
  const kept = await page.evaluate(async () => {
    const texts = [];
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      for (const request of await cache.keys()) texts.push(`${request.url} ${await (await cache.match(request)).text()}`);
    }
    return texts.join("\n");
  });
  assert.ok(kept.includes("/verify?lang="), "the page is kept");
  assert.ok(!kept.includes("demo:r19") && !kept.includes(made.valid.licence.holder_name));
  await visitor.end();
});
