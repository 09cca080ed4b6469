// The staff desk: its main tasks, hostile names, the keyboard.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test, { after } from "node:test";

import { accessible, annotated, close, visit } from "./browser.mjs";

after(close);

const samples = new URL("../../samples/records/", import.meta.url);
const record = (name) => JSON.parse(readFileSync(new URL(name, samples)));
const picture = (path, type) => `data:image/${type};base64,${readFileSync(new URL(path, samples)).toString("base64")}`;

/** A sample record that stands on its own, for sending. */
function sendable(change) {
  const sent = record("r18-constructor-1-old-number.json");
  Object.assign(sent.holder, { photo: picture("photos/p01.jpg", "jpeg"), signature: picture("signatures/s01.png", "png") });
  return change(sent);
}

async function open(page, words) {
  await page.goto("/desk");
  await page.getByLabel("姓名、编号、企业或证件号码").fill(words);
  await page.keyboard.press("Enter");
  await page.getByRole("table").getByRole("link").first().click();
  await page.getByRole("heading", { level: 1 }).waitFor();
}

async function decide(page, action, reason) {
  await page.getByRole("button", { name: action, exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("原因（写入审计记录）").fill(reason);
  await dialog.getByRole("button", { name: "下一步" }).click();
  const confirm = dialog.getByRole("button", { name: `确认${action}` });
  assert.ok(await confirm.isDisabled(), "nothing is done before the second confirmation");
  await dialog.getByLabel("我已核对姓名和编号，确认办理。").check();
  await Promise.all([page.waitForEvent("load"), confirm.click()]);
}

test("search by name, number, company and identity number; nothing of it in the address", async () => {
  const visitor = await visit("staff");
  const { page } = visitor;
  const { holder, number, employer } = record("r06-constructor-1-ends-within-180-days.json");
  for (const words of [holder.name, number, employer.name, holder.id_number]) {
    await page.goto("/desk");
    await page.getByLabel("姓名、编号、企业或证件号码").fill(words);
    await page.keyboard.press("Enter");
    await page.getByRole("table").getByText(number).waitFor();
    assert.equal(new URL(page.url()).search, "");
  }
  await accessible(page);
  await page.getByLabel("状态").selectOption("suspended");
  await page.getByLabel("姓名、编号、企业或证件号码").fill("");
  await page.getByRole("button", { name: "查询" }).click();
  await page.getByRole("table").getByText("已暂扣").first().waitFor();
  assert.equal(await page.getByRole("table").getByText("有效", { exact: true }).count(), 0);
  await page.getByLabel("姓名、编号、企业或证件号码").fill("没有这个人");
  await page.getByRole("button", { name: "查询" }).click();
  await page.getByText("没有符合条件的证照").waitFor();
  await visitor.end();
});

test("one licence: suspend, restore, reissue, with reason and second confirmation; all of it in the trail", async () => {
  const holder = await visit("r07");
  await annotated(holder.context);
  const visitor = await visit("staff");
  const { page } = visitor;
  await open(page, record("r07-constructor-1-age-caps-passport.json").number);
  await accessible(page);
  await page.getByText("持证人现在可以加注和下载").waitFor();

  await decide(page, "暂扣", "投诉核查");
  await page.getByText("证照已暂扣").waitFor();
  await holder.page.goto("/my");
  await holder.page.getByText("证照已暂扣").first().waitFor();

  await decide(page, "恢复", "核查完毕");
  await page.getByText("持证人现在可以加注和下载").waitFor();
  await decide(page, "换发", "企业名称变更");
  const panels = page.locator(".panel");
  await panels.filter({ hasText: "版本" }).getByText("企业名称变更").first().waitFor();
  const trail = await panels.filter({ hasText: "审计记录" }).innerText();
  for (const reason of ["投诉核查", "核查完毕", "企业名称变更", "查看"]) assert.ok(trail.includes(reason), reason);
  await page.getByRole("button", { name: "撤销", exact: true }).click();
  await accessible(page);
  await holder.end();
  await visitor.end();
});

test("what a person who cannot download is told, staff see too", async () => {
  const visitor = await visit("staff");
  await open(visitor.page, record("r09-constructor-1-photo-missing.json").number);
  await visitor.page.getByText("持证人现在不能加注和下载：缺少免冠证件照").waitFor();
  await visitor.end();
});

test("import: preview of faults, then the good ones with progress; hostile names stay text", async () => {
  const visitor = await visit("staff");
  const { page } = visitor;
  const hostile = "<img src=x onerror=alert(1)>有限公司";
  const named = sendable((sent) => ({ ...sent, number: "京111062099901", serial: "TESTBROWSER01", employer: { ...sent.employer, name: hostile } }));
  const faulty = sendable((sent) => ({ ...sent, number: "京111062099902", serial: "TESTBROWSER02", holder: { ...sent.holder, id_type: "111", id_number: "110000198506120011" } }));
  const buffer = Buffer.from(`${JSON.stringify(named)}\n${JSON.stringify(faulty)}\n`);
  let alerted = false;
  page.on("dialog", (dialog) => {
    alerted = true;
    dialog.dismiss();
  });

  await page.goto("/desk/import");
  await accessible(page);
  await page.locator("#file").setInputFiles({ name: "batch.jsonl", mimeType: "application/x-ndjson", buffer });
  await page.getByRole("button", { name: "预览" }).click();
  await page.getByRole("heading", { name: "预览" }).waitFor();
  assert.deepEqual(await page.locator("#preview [data-count]").allInnerTexts(), ["2", "1", "1"]);
  assert.match(await page.locator("#faults").innerText(), /证件号码/);
  await accessible(page);
  await page.getByRole("button", { name: "导入可以导入的记录" }).click();
  await page.getByText("导入完成").waitFor();
  assert.match(await page.locator("#loaded").innerText(), /新增 1.*有错误 1/);
  assert.equal(await page.locator("#bar").evaluate((bar) => bar.value / bar.max), 1);

  await open(page, "京111062099901");
  await page.getByText(hostile).first().waitFor();
  assert.equal(await page.locator("main img").count(), 0);
  assert.ok(!alerted);
  await visitor.end();
});

test("bulk reissue of one company with its progress", async () => {
  const visitor = await visit("staff");
  const { page } = visitor;
  const reissued = async (sample) => {
    await page.goto("/desk/reissue");
    await accessible(page);
    await page.getByLabel("聘用企业（可不填）").fill(record(sample).employer.name);
    await page.getByLabel("原因（写入审计记录）").fill("企业更名");
    await page.getByLabel("我确认给所有符合条件的证照换发新版本。").check();
    await page.getByRole("button", { name: "开始换发" }).click();
    await page.locator("#job-state").getByText("已完成").waitFor();
    await accessible(page);
    const reasons = page.locator("#reasons li:visible");
    return [...(await page.locator("#job [data-count]").allInnerTexts()).map(Number), await reasons.allInnerTexts()];
  };
  // A company whose people no other test looks at: each reissue is a 加注 too.
  assert.deepEqual(await reissued("r24-constructor-2-bj-ends-in-twenty-days.json"), [1, 1, 0, []]);
  // And one whose only licence cannot be reissued: the clerk is told why.
  assert.deepEqual(await reissued("r10-constructor-1-signature-missing.json"), [1, 0, 1, ["缺少手写签字 1"]]);
  await visitor.end();
});

test("figures and layouts", async () => {
  const visitor = await visit("staff");
  const { page } = visitor;
  await page.goto("/desk/figures");
  for (const title of ["近30天的加注", "近30天的拒绝", "未来12个月到期"]) await page.getByRole("heading", { name: title }).waitFor();
  assert.ok((await page.locator(".chart rect").count()) > 0);
  await accessible(page);
  await page.goto("/desk/layouts");
  assert.equal(await page.locator(".card").count(), 7);
  const picture = await page.request.get(await page.locator(".card a").first().getAttribute("href"));
  assert.equal(picture.headers()["content-type"], "image/png");
  await accessible(page);
  await visitor.end();
});

test("nothing is wider than a phone", async () => {
  const visitor = await visit("staff", { viewport: { width: 360, height: 740 } });
  const { page } = visitor;
  await open(page, record("r07-constructor-1-age-caps-passport.json").number);
  const fits = async () => assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360, page.url());
  await fits();
  for (const path of ["/desk", "/desk/import", "/desk/reissue", "/desk/figures", "/desk/layouts"]) {
    await page.goto(path);
    await fits();
  }
  await visitor.end();
});

test("the desk is not for holders, and nobody is led to where one logs in", async () => {
  const holder = await visit("r01");
  await holder.page.goto("/desk");
  await holder.page.getByRole("heading", { name: "没有权限" }).waitFor();
  await holder.end("403 (Forbidden)");
  const nobody = await visit();
  await nobody.page.goto("/desk");
  await nobody.page.getByRole("heading", { name: "登录" }).waitFor();
  await nobody.end();
});
