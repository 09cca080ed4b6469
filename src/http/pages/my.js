// 我的证照: the dialog of 加注.
import { ask, send, tell } from "./page.js";
import { t } from "./words.js";

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Waits for a seal that is still under way. */
async function sealed(made) {
  for (let tries = 0; made.state === "pending" && tries < 60; tries += 1) {
    await pause(1000);
    made = await ask(`/api/v1/annotations/${made.id}`);
  }
  return made;
}

for (const form of document.querySelectorAll("[data-annotate]")) {
  const dialog = form.closest("dialog");
  const done = dialog.querySelector("[data-done]");
  const status = form.querySelector("[data-status]");
  const button = form.querySelector(".main");
  // One key for each opening of the dialog: pressing twice makes one 加注, opening it again may make another.
  let key = crypto.randomUUID();

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    tell(status, "", t("正在生成证照，请耐心等待！"));
    try {
      const { begin, end } = Object.fromEntries(new FormData(form));
      const made = await sealed(await send(form.getAttribute("action"), begin ? { begin, end } : {}, key));
      for (const link of done.querySelectorAll("[data-file]")) link.href = `/api/v1/annotations/${made.id}/${link.dataset.file}`;
      done.querySelector("[data-period]").textContent = made.use_from ? `${t("使用有效期")} ${made.use_from} ${t("至")} ${made.use_to}` : "";
      form.hidden = true;
      done.hidden = false;
      done.querySelector("strong").focus();
    } catch (problem) {
      tell(status, "bad", t(problem.message), t(problem.remedy));
      if (problem.code === "face-needed") {
        const link = document.createElement("a");
        link.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
        link.textContent = t("重新进行人脸识别");
        status.firstChild.append(" ", link);
      }
      key = crypto.randomUUID();
    } finally {
      button.disabled = false;
    }
  });

  // The new card stands first when the dialog is gone.
  dialog.addEventListener("close", () => {
    if (!done.hidden) location.replace(location.pathname + new URL(location.href).search);
  });
}
