// The verifier's page: camera, file, typed code; online the server answers, without a network this browser does.
import { digitsOf } from "./capsule.js";
import { judge, ready } from "./offline.js";
import { ask, tell } from "./page.js";
import { t } from "./words.js";

const byId = (id) => document.getElementById(id);
const answer = byId("answer");
const status = byId("status");
const base = answer.dataset.base;
const [answers, types] = await Promise.all(["/assets/answers.json", "/assets/types.json"].map((path) => fetch(path).then((got) => got.json())));
const slot = (name) => answer.querySelector(`[data-slot="${name}"]`);

const shanghai = (instant) =>
  new Date(instant).toLocaleString("sv-SE", { timeZone: "Asia/Shanghai", hour12: false });
const masked = (name) => (name ? `${[...name][0]}*` : t("（请以纸面为准）"));

/** Shows an answer in the same place and words as the server does. */
function show(found, source) {
  const known = found.state === "superseded" && found.superseded_by ? "superseded-by" : found.state;
  const { tone, mark, headline, why } = answers[known] ?? answers.unreadable;
  const value = { valid: found.use_to, over: found.use_to, "not-begun": found.use_from, "superseded-by": found.superseded_by }[known] ?? "";
  answer.className = `answer ${tone}`;
  slot("mark").textContent = mark;
  slot("headline").textContent = t(headline);
  slot("why").textContent = t(why, value);
  const caution = found.caution ?? (found.test ? "测试密钥签发的样张，没有任何效力。" : "");
  slot("caution").textContent = t(caution);
  slot("caution").hidden = !caution;
  const genuine = Boolean(found.number);
  slot("licence").hidden = slot("compare").hidden = !genuine;
  if (genuine) {
    slot("name").textContent = masked(found.name);
    const use = found.use_from && `${found.use_from} ${t("至")} ${found.use_to}`;
    const facts = [["证照类型", t(types[found.licence_type] ?? "")], ["编号", found.number], ["使用有效期", use]];
    slot("facts").replaceChildren(
      ...facts.filter(([, value]) => value).flatMap(([label, value]) => {
        const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
        dt.textContent = t(label);
        dd.textContent = value;
        return [dt, dd];
      }),
    );
  }
  slot("time").textContent = shanghai(found.as_of ?? Date.now());
  slot("source").textContent = source;
  answer.hidden = false;
  status.replaceChildren();
  slot("headline").focus();
  answer.scrollIntoView({ block: "start" });
}

/** Judges here, from what this browser has kept. */
async function judgeHere(digits) {
  try {
    const found = await judge(digits);
    const source = found.listed
      ? t("没有网络：由本机核验签名，状态数据截至 {}。", shanghai(found.listed))
      : t("没有网络：由本机核验签名，没有状态数据。");
    show(found, source);
  } catch (error) {
    const cannot = error.name === "CannotCheck";
    tell(status, "warn", t("现在不能离线核验"), t(cannot ? "这个浏览器不能核验 Ed25519 签名，请更新浏览器，或联网后再试。" : "这台设备还没有保存密钥，请联网打开一次本页。"));
  }
}

/** Follows a code that was read or typed. */
async function follow(text) {
  const digits = digitsOf(text, base);
  if (digits === null) return show({ state: /^https?:/.test(text.trim()) ? "other-address" : "not-issued" }, t("由本机判断。"));
  if (navigator.onLine) return location.assign(`/v/${digits}`);
  history.replaceState(null, "", `/v/${digits}`);
  return judgeHere(digits);
}

byId("typed").addEventListener("submit", (event) => {
  event.preventDefault();
  follow(byId("text").value);
});

async function hand(file) {
  tell(status, "", t("正在核验……"));
  const seen = await read(file).catch(() => null);
  if (seen && !navigator.onLine) return follow(seen);
  try {
    const body = new FormData();
    body.append("file", file);
    show(await ask("/verify", { method: "POST", body }), t("由发证机关的登记簿即时答复。"));
  } catch (problem) {
    if (seen) return follow(seen);
    tell(status, "bad", t(problem.message), problem.status === 0 ? t("没有网络时不能核验文件，请扫描或输入二维码。") : t(problem.remedy));
  }
}

const upload = byId("upload");
const chosen = byId("file");
upload.addEventListener("submit", (event) => {
  event.preventDefault();
  hand(chosen.files[0]);
});
chosen.addEventListener("change", () => chosen.files.length && upload.requestSubmit());
const drop = byId("drop");
for (const kind of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) hand(event.dataTransfer.files[0]);
  });
}

// Camera and pictures, where the browser reads codes itself. Elsewhere a photo is handed in.
const detector =
  "BarcodeDetector" in window && (await BarcodeDetector.getSupportedFormats()).includes("qr_code")
    ? new BarcodeDetector({ formats: ["qr_code"] })
    : null;

async function read(file) {
  if (!detector || !file.type.startsWith("image/")) return null;
  const [code] = await detector.detect(await createImageBitmap(file));
  return code?.rawValue ?? null;
}

const scan = byId("scan");
const finder = byId("finder");
scan.hidden = !(detector && navigator.mediaDevices);
let stream = null;
function stop() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  byId("camera").hidden = true;
  scan.hidden = false;
}
byId("stop").addEventListener("click", stop);
scan.addEventListener("click", async () => {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    return tell(status, "warn", t("不能使用摄像头"), t("请允许本页使用摄像头，或上传二维码的照片。"));
  }
  scan.hidden = true;
  byId("camera").hidden = false;
  finder.srcObject = stream;
  await finder.play();
  while (stream) {
    const [code] = await detector.detect(finder).catch(() => []);
    if (code) {
      stop();
      return follow(code.rawValue);
    }
    await new Promise(requestAnimationFrame);
  }
});

// Without a network the worker gives this page for any code's address; then the answer is made here.
const offline = byId("offline");
function tellNetwork() {
  offline.hidden = navigator.onLine;
  offline.textContent = navigator.onLine ? "" : t("现在没有网络：仍可扫描或输入二维码，由本机核验。");
}
addEventListener("online", tellNetwork);
addEventListener("offline", tellNetwork);
tellNetwork();

const asked = /^\/v\/(\d+)$/.exec(location.pathname)?.[1];
if (asked && answer.hidden) await judgeHere(asked);

if ("serviceWorker" in navigator) {
  await navigator.serviceWorker.register(`/sw.js?lang=${document.documentElement.lang}`);
  const { active } = await navigator.serviceWorker.ready;
  if (navigator.onLine) {
    active.postMessage("keep");
    await ready().catch(() => {});
  }
}
document.documentElement.dataset.ready = "";
