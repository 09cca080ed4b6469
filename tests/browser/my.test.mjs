// 我的证照, step by step as the manuals' chapters on 加注 and download tell it, and every refusal.
import assert from "node:assert/strict";
import test, { after } from "node:test";

import { accessible, close, download, today, verdict, visit } from "./browser.mjs";

after(close);

const TITLE = "中华人民共和国一级建造师注册证书";

/** The card that stands first. */
const newest = (page) => page.locator(".card").first();

async function annotate(page) {
  await page.getByRole("button", { name: "证照加注" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "加注", exact: true }).click();
  await dialog.getByText("加注成功！").waitFor();
  return dialog;
}

test("the manual: log in, 我的证照, 证照加注, 加注, 加注成功！, PDF 下载, OFD 下载", async () => {
  const visitor = await visit();
  const { page } = visitor;
  // 用户中心 › 我的证照: who has not logged in and shown their face does that first.
  await page.goto("/my");
  await page.getByRole("heading", { name: "登录" }).waitFor();
  await accessible(page);
  await page.locator('button[value="r01"]').click();
  await page.getByRole("heading", { name: "我的证照", level: 1 }).waitFor();
  assert.equal(new URL(page.url()).pathname, "/my");
  await page.getByRole("navigation", { name: "证照类型" }).getByText("一级建造师").waitFor();
  await page.getByText("按加注时间搜索：").waitFor();
  await page.getByRole("button", { name: "点击下载OFD阅读器" }).click();
  await page.getByRole("dialog").getByRole("link", { name: "WPS Office" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByText("无电子证书").or(page.getByText("尚未加注")).waitFor();
  await accessible(page);

  // ① 证照加注 at the top right.
  const button = page.getByRole("button", { name: "证照加注" });
  const [box, width] = [await button.boundingBox(), page.viewportSize().width];
  assert.ok(box.x > width / 2 && box.y < 450, "the button is at the top right");
  await button.click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("heading", { name: TITLE }).waitFor();
  const until = await dialog.getByText("使用有效期截止日期：").innerText();
  assert.match(until, /^使用有效期截止日期：\d{4}-\d\d-\d\d$/);
  await dialog.getByText("使用有效期截止日期必须在注册有效期内。").waitFor();
  await dialog.getByText("使用有效期限定为180天。").waitFor();
  await accessible(page);

  // ② 加注.
  await dialog.getByRole("button", { name: "加注", exact: true }).click();
  await dialog.getByText("加注成功！").waitFor();
  await accessible(page);
  const straight = await download(page, dialog.getByRole("link", { name: "PDF 下载" }));
  assert.equal(straight.bytes.subarray(0, 5).toString(), "%PDF-");
  await dialog.getByRole("button", { name: "关闭" }).last().click();

  // The card: type and 加注时间; the mouse over it offers 预览, PDF 下载, OFD 下载.
  await newest(page).getByText(`加注时间：${today()}`).waitFor();
  await newest(page).getByText("一级建造师", { exact: true }).waitFor();
  await newest(page).hover();
  const preview = newest(page).getByRole("link", { name: "预览" });
  const picture = await page.request.get(await preview.getAttribute("href"));
  assert.equal(picture.headers()["content-type"], "image/png");
  const pdf = await download(page, newest(page).getByRole("link", { name: "PDF 下载" }));
  const ofd = await download(page, newest(page).getByRole("link", { name: "OFD 下载" }));
  assert.deepEqual([pdf.name, ofd.name], ["京1112012201990001.pdf", "京1112012201990001.ofd"]);
  assert.equal(pdf.bytes.compare(straight.bytes), 0, "a file once given out never changes");
  for (const { name, bytes } of [pdf, ofd]) {
    const { grade, state, use_to: to } = verdict(name, bytes);
    assert.deepEqual({ grade, state, to }, { grade: "A", state: "valid", to: until.slice(-10) }, name);
  }
  // The rules beside the download.
  for (const rule of ["个人签名", "打印件与电子证照记载不一致的", "超出使用有效期的文件无效"]) await page.getByText(rule).waitFor();
  await visitor.end();
});

test("加注 again while the first is live: newest first, each its own card, searched by 加注时间", async () => {
  const visitor = await visit("r02");
  const { page } = visitor;
  await page.goto("/my");
  for (let n = 1; n <= 2; n += 1) {
    await Promise.all([page.waitForEvent("load"), annotate(page).then((dialog) => dialog.getByRole("button", { name: "关闭" }).last().click())]);
    await page.locator(".card").nth(n - 1).waitFor();
  }
  assert.equal(await page.locator(".card").count(), 2);
  assert.equal(await page.locator("a.sheet").getAttribute("href"), await newest(page).getByRole("link", { name: "预览" }).getAttribute("href"));

  const search = page.getByRole("search", { name: "按加注时间搜索" });
  await search.getByLabel("按加注时间搜索：").fill("2000-01-01");
  await search.getByLabel("至").fill("2000-12-31");
  await search.getByRole("button", { name: "搜索" }).click();
  await page.getByText("这段时间内没有记录。").waitFor();
  await search.getByLabel("按加注时间搜索：").fill(today());
  await search.getByLabel("至").fill(today());
  await search.getByRole("button", { name: "搜索" }).click();
  await newest(page).waitFor();
  assert.equal(await page.locator(".card").count(), 2);
  await visitor.end();
});

const REFUSED = {
  r08: ["证照过期", "延续注册"],
  r09: ["缺少免冠证件照", "等待1-2天"],
  r10: ["缺少手写签字", "等待1-2天"],
  r11: ["已满65周岁", "注销"],
  r12: ["证照已注销", "重新注册"],
  r13: ["证照已暂扣", "恢复"],
  r14: ["加注失败", "还未上报"],
  r15: ["正在生成证照，请耐心等待！", "绑定手机号码"],
};

for (const [who, [message, remedy]] of Object.entries(REFUSED)) {
  test(`refused: ${message}`, async () => {
    const visitor = await visit(who);
    const { page } = visitor;
    await page.goto("/my");
    const note = page.locator(".note.bad").first();
    await note.getByText(message).waitFor();
    await note.getByText(remedy).waitFor();
    await page.getByText("无电子证书").waitFor();
    await page.getByRole("button", { name: "证照加注" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: "加注", exact: true }).click();
    await dialog.getByText(message).waitFor();
    await dialog.getByText(remedy).waitFor();
    await accessible(page);
    await visitor.end("409 (Conflict)");
  });
}

test("who chooses dates: chosen inside the registration, a third on one day refused", async () => {
  const visitor = await visit("r23");
  const { page } = visitor;
  await page.goto("/my");
  for (let n = 1; n <= 3; n += 1) {
    await page.getByRole("button", { name: "证照加注" }).click();
    const dialog = page.getByRole("dialog");
    const begin = dialog.getByLabel("使用有效期开始日期");
    const end = dialog.getByLabel("使用有效期截止日期");
    if (n < 3) {
      assert.equal(await begin.inputValue(), today());
      await end.fill(today());
    }
    await dialog.getByRole("button", { name: "加注", exact: true }).click();
    if (n === 3) {
      await dialog.getByText("每日最多新增2次使用有效期", { exact: true }).waitFor();
    } else {
      await dialog.getByText("加注成功！").waitFor();
      assert.match(await dialog.locator("[data-period]").innerText(), new RegExp(`${today()} 至 ${today()}`));
      await Promise.all([page.waitForEvent("load"), dialog.getByRole("button", { name: "关闭" }).last().click()]);
    }
  }
  await visitor.end("409 (Conflict)");
});

test("a face that was not verified is verified first", async () => {
  const visitor = await visit("r03", { face: "no" });
  await visitor.page.goto("/my");
  await visitor.page.getByRole("heading", { name: "登录" }).waitFor();
  await visitor.end();
});

test("after logging in one comes to a page of this service and to no other", async () => {
  const visitor = await visit();
  for (const [next, to] of [["/my?type=a", "/my?type=a"], ["//evil.example/", "/"], ["https://evil.example/", "/"], ["/\\evil.example", "/"]]) {
    const answer = await visitor.context.request.post("/demo/login", { form: { as: "r03", next }, maxRedirects: 0 });
    assert.equal(answer.headers().location, to);
  }
  await visitor.end();
});

test("a form that fits is filled in and downloaded", async () => {
  const visitor = await visit("r23");
  const { page } = visitor;
  await page.goto("/my");
  const form = await download(page, page.getByRole("button", { name: "二级建造师注销注册申请表" }));
  assert.match(form.name, /\.docx$/);
  assert.equal(form.bytes.subarray(0, 2).toString(), "PK");
  await visitor.end();
});

test("on a phone the three offers are there without a mouse, and nothing is wider than the screen", async () => {
  const visitor = await visit("r02", { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  const { page } = visitor;
  await page.goto("/my");
  for (const name of ["预览", "PDF 下载", "OFD 下载"]) assert.ok(await newest(page).getByRole("link", { name }).isVisible(), name);
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360);
  await accessible(page);
  await visitor.end();
});

test("with the keyboard alone: 证照加注, 加注, 关闭", async () => {
  const visitor = await visit("r05");
  const { page } = visitor;
  await page.goto("/my");
  await page.getByRole("button", { name: "证照加注" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await page.getByRole("dialog").count(), 0);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").getByRole("button", { name: "加注", exact: true }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("加注成功！").waitFor();
  await page.keyboard.press("Escape");
  await newest(page).waitFor();
  await newest(page).getByRole("link", { name: "PDF 下载" }).focus();
  assert.equal(await newest(page).locator(".does").evaluate((does) => getComputedStyle(does).opacity), "1");
  await visitor.end();
});

test("English by choice, and it stays chosen", async () => {
  const visitor = await visit("r02");
  const { page } = visitor;
  await page.goto("/my");
  await page.getByRole("link", { name: "English" }).click();
  await page.getByRole("heading", { name: "My licences" }).waitFor();
  await page.goto("/my");
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
  await visitor.end();
});

test("a page is small and soon there", async () => {
  const visitor = await visit("r02");
  const { page } = visitor;
  for (const path of ["/my", "/verify"]) {
    let sent = 0;
    const session = await page.context().newCDPSession(page);
    await session.send("Network.enable");
    const kinds = new Map();
    session.on("Network.responseReceived", ({ requestId, type }) => kinds.set(requestId, type));
    session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      if (kinds.get(requestId) !== "Image") sent += encodedDataLength;
    });
    await page.goto(path, { waitUntil: "networkidle" });
    const painted = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
    console.log(`${path}: ${(sent / 1024).toFixed(1)} KB without pictures, first contentful paint ${painted?.toFixed(0)} ms`);
    assert.ok(sent > 0 && sent < 100 * 1024, `${path} sent ${sent} bytes`);
    await session.detach();
  }
  await visitor.end();
});
