// What several pages share: dialogs, and requests to the API with its problems told in plain words.
import { t } from "./words.js";

for (const opener of document.querySelectorAll("[data-opens]")) {
  opener.addEventListener("click", () => document.getElementById(opener.dataset.opens).showModal());
}
for (const closer of document.querySelectorAll("[data-closes]")) {
  closer.addEventListener("click", () => closer.closest("dialog").close());
}
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}

/** What the API refused: its title, and what to do. */
export class Problem extends Error {
  constructor(body, status) {
    super(body.title ?? t("没有成功"));
    this.remedy = body.remedy ?? body.detail ?? "";
    this.code = body.code;
    this.status = status;
  }
}

/** Asks the API; gives the answer's JSON, or throws a `Problem`. */
export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: { accept: "application/json", ...options.headers } });
  } catch {
    throw new Problem({ title: t("网络不通"), remedy: t("没有联系上服务器，请检查网络后重试。") }, 0);
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(body, answer.status);
  return body;
}

/** Sends JSON once, however often the network makes it try. */
export const send = (path, body, key) =>
  ask(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...(key && { "idempotency-key": key }) },
    body: JSON.stringify(body),
  });

/** Says in a place what went wrong or well. Text stays text. */
export function tell(place, tone, title, more = "") {
  const note = document.createElement("div");
  note.className = `note ${tone}`;
  const strong = document.createElement("strong");
  strong.textContent = title;
  note.append(strong, more);
  place.replaceChildren(note);
}
