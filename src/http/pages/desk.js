// The staff desk: decisions with reason and second confirmation, import with preview, bulk reissue with progress.
import { Problem, ask, send, tell } from "./page.js";
import { t } from "./words.js";

/** A reason as the audit keeps it: one line. */
const oneLine = (text) => text.trim().replace(/\s+/gu, " ");

for (const form of document.querySelectorAll("[data-decision]")) {
  const [first, second] = ["1", "2"].map((step) => form.querySelector(`[data-step="${step}"]`));
  const status = form.querySelector("[data-status]");
  const sure = form.querySelector("[data-sure]");
  const act = form.querySelector("[data-do]");
  const reason = form.elements.reason;
  const key = crypto.randomUUID();
  const step = (two) => {
    first.hidden = two;
    second.hidden = !two;
  };

  form.querySelector("[data-next]").addEventListener("click", () => {
    if (!reason.reportValidity()) return;
    form.querySelector("[data-said]").textContent = t("原因：{}", reason.value);
    step(true);
    sure.focus();
  });
  form.querySelector("[data-back]").addEventListener("click", () => step(false));
  sure.addEventListener("change", () => {
    act.disabled = !sure.checked;
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    // Enter in the first step leads to the second, never past it.
    if (second.hidden) return form.querySelector("[data-next]").click();
    if (!sure.checked) return;
    act.disabled = true;
    try {
      await send(form.getAttribute("action"), { reason: oneLine(reason.value) }, key);
      location.reload();
    } catch (problem) {
      tell(status, "bad", t(problem.message), t(problem.remedy));
      act.disabled = false;
    }
  });
}

const count = (name, value) => {
  document.querySelector(`[data-count="${name}"]`).textContent = value;
};

const KINDS = {
  json: "application/json",
  jsonl: "application/x-ndjson",
  ndjson: "application/x-ndjson",
  csv: "text/csv",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
};
const kindOf = ({ name }) => KINDS[name.split(".").pop().toLowerCase()] ?? "application/octet-stream";

const RESULTS = { new: "新增", "new-version": "新版本", status: "变更状态", equal: "未变", refused: "不予导入", invalid: "有错误" };
const JOB = { running: "正在换发", finished: "已完成", stopped: "已停止" };

const load = document.getElementById("import");
if (load) {
  const status = load.querySelector("[data-status]");
  const preview = document.getElementById("preview");
  const start = document.getElementById("load");
  const bar = document.getElementById("bar");
  const loaded = document.getElementById("loaded");
  const drop = document.getElementById("drop");
  let file = null;
  let all = 0;

  load.addEventListener("submit", async (event) => {
    event.preventDefault();
    tell(status, "", t("正在读取……"));
    try {
      file = load.elements.file.files[0];
      const found = await ask(load.getAttribute("action"), { method: "POST", headers: { "content-type": kindOf(file) }, body: file });
      status.replaceChildren();
      all = found.good + found.bad;
      for (const name of ["good", "bad"]) count(name, found[name]);
      count("all", all);
      const faults = document.getElementById("faults");
      faults.hidden = found.faults.length === 0;
      const inChinese = document.documentElement.lang.startsWith("zh");
      const said = (fault) => (inChinese ? fault.chinese : fault);
      faults.tBodies[0].replaceChildren(...found.faults.map((fault) => cells([fault.place, said(fault).field, said(fault).message])));
      start.disabled = found.good === 0;
      preview.hidden = false;
      preview.scrollIntoView({ block: "nearest" });
    } catch (problem) {
      tell(status, "bad", t(problem.message), t(problem.remedy));
    }
  });

  start.addEventListener("click", async () => {
    start.disabled = true;
    document.getElementById("loading").hidden = false;
    bar.max = all;
    const results = {};
    let done = 0;
    try {
      const answer = await fetch("/api/v1/records", { method: "PUT", headers: { "content-type": kindOf(file) }, body: file });
      if (!answer.ok) throw new Problem(await answer.json().catch(() => ({})), answer.status);
      for await (const line of linesOf(answer.body)) {
        const { result } = JSON.parse(line);
        if (result === "failed") throw new Problem({ title: "导入中断", remedy: "已导入的不变；请再次导入同一文件，相同的记录不会重复。" }, 500);
        results[result] = (results[result] ?? 0) + 1;
        done += 1;
        bar.value = done;
        loaded.textContent = t("已处理{}条", done);
      }
      const said = Object.entries(results).map(([result, n]) => `${t(RESULTS[result] ?? result)} ${n}`).join("，");
      tell(loaded, "good", t("导入完成"), said);
    } catch (problem) {
      tell(loaded, "bad", t(problem.message), t(problem.remedy ?? ""));
      start.disabled = false;
    }
  });

  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) {
        load.elements.file.files = event.dataTransfer.files;
        load.requestSubmit();
      }
    });
  }
}

function cells(texts) {
  const row = document.createElement("tr");
  row.append(
    ...texts.map((text) => {
      const cell = document.createElement("td");
      cell.textContent = text ?? "";
      return cell;
    }),
  );
  return row;
}

async function* linesOf(stream) {
  let rest = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + part).split("\n");
    rest = lines.pop();
    yield* lines.filter((line) => line.trim());
  }
  if (rest.trim()) yield rest;
}

const bulk = document.getElementById("bulk");
if (bulk) {
  const status = bulk.querySelector("[data-status]");
  const panel = document.getElementById("job");
  const bar = document.getElementById("bar");
  const state = document.getElementById("job-state");
  const key = crypto.randomUUID();

  const reasons = document.getElementById("reasons");
  /** How many could not be reissued for which reason; what the page does not know by name is one of the others. */
  const tellReasons = (counts) => {
    const rows = Object.fromEntries([...reasons.querySelectorAll("[data-reason]")].map((row) => [row.dataset.reason, row]));
    const sums = {};
    for (const [code, n] of Object.entries(counts)) {
      const known = code in rows ? code : "other";
      sums[known] = (sums[known] ?? 0) + n;
    }
    for (const [code, row] of Object.entries(rows)) {
      row.hidden = !(code in sums);
      row.querySelector("strong").textContent = sums[code] ?? "";
    }
    reasons.hidden = Object.keys(sums).length === 0;
  };

  const watch = (id) => {
    panel.hidden = false;
    history.replaceState(null, "", `?job=${id}`);
    const events = new EventSource(`/api/v1/jobs/${id}`);
    const told = ({ data }) => {
      const job = JSON.parse(data);
      bar.max = Math.max(job.total, 1);
      bar.value = job.total ? job.done + job.failed : 1;
      for (const name of ["total", "done", "failed"]) count(name, job[name]);
      tellReasons(job.reasons);
      state.textContent = t(JOB[job.state] ?? job.state);
      if (job.state !== "running") events.close();
    };
    events.addEventListener("progress", told);
  };

  bulk.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { licence_type, employer, reason } = Object.fromEntries(new FormData(bulk));
    const button = bulk.querySelector(".main");
    button.disabled = true;
    try {
      const search = { status: "valid", ...(licence_type && { licence_type }), ...(employer && { employer }) };
      const job = await send(bulk.getAttribute("action"), { search, reason: oneLine(reason) }, key);
      watch(job.id);
    } catch (problem) {
      tell(status, "bad", t(problem.message), t(problem.remedy));
      button.disabled = false;
    }
  });

  const before = new URLSearchParams(location.search).get("job");
  if (before) watch(before);
}
