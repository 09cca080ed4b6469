// 我的证照: the dialog of 加注, and downloads that say what is wrong when they cannot be had.
import { Problem, ask, send, tell } from "./page.js";
import { t } from "./words.js";

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Says what went wrong; a face that has to be verified again is one step away. */
function refuse(place, problem) {
  tell(place, "bad", t(problem.message), t(problem.remedy));
  if (problem.code !== "face-needed" && problem.code !== "not-identified") return;
  const link = document.createElement("a");
  link.href = `/demo/login?next=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = t("重新进行人脸识别");
  place.firstChild.append(" ", link);
}

/** Waits for a seal that is still under way. */
async function sealed(made) {
  for (let tries = 0; made.state === "sealing" && tries < 60; tries += 1) {
    await pause(1000);
    const { annotations } = await ask(`/api/v1/licences/${made.licence}/annotations`);
    made = annotations.find(({ id }) => id === made.id) ?? made;
  }
  if (made.state === "sealing") throw new Problem({ title: "正在生成证照，请耐心等待！", remedy: "请稍候再试。" }, 202);
  return made;
}

for (const form of document.querySelectorAll("[data-annotate]")) {
  const dialog = form.closest("dialog");
  const done = dialog.querySelector("[data-done]");
  const status = form.querySelector("[data-status]");
  const button = form.querySelector(".main");
  // One key until there is an answer: pressing twice, or a network that fails, makes one 加注.
  let key = crypto.randomUUID();

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    tell(status, "", t("正在生成证照，请耐心等待！"));
    try {
      const made = await sealed(await send(form.getAttribute("action"), Object.fromEntries(new FormData(form)), key));
      for (const link of done.querySelectorAll("[data-file]")) link.href = made.files[link.dataset.file];
      const { period } = made;
      done.querySelector("[data-period]").textContent = period ? `${t("使用有效期")} ${period.use_from} ${t("至")} ${period.use_to}` : "";
      form.hidden = true;
      done.hidden = false;
      done.querySelector("strong").focus();
    } catch (problem) {
      refuse(status, problem);
      if (problem.status !== 0) key = crypto.randomUUID();
    } finally {
      button.disabled = false;
    }
  });

  // The new card stands first when the dialog is gone.
  dialog.addEventListener("close", () => {
    if (!done.hidden) location.reload();
  });
}

const trouble = document.getElementById("trouble");

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-save]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  link.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(link.href);
    if (!answer.ok) throw new Problem(await answer.json().catch(() => ({})), answer.status);
    const name = /filename\*=UTF-8''([^;]+)/i.exec(answer.headers.get("content-disposition") ?? "");
    const save = document.createElement("a");
    save.href = URL.createObjectURL(await answer.blob());
    save.download = name ? decodeURIComponent(name[1]) : link.pathname.split("/").pop();
    save.click();
    setTimeout(() => URL.revokeObjectURL(save.href), 60_000);
  } catch (problem) {
    trouble.showModal();
    refuse(trouble.querySelector("[data-status]"), problem);
  } finally {
    link.removeAttribute("aria-busy");
  }
});
