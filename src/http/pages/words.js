// The page's language: Chinese as it stands in the scripts, English from the dictionary that the server uses too.
const english = document.documentElement.lang.startsWith("en")
  ? await fetch("/assets/english.json").then((answer) => answer.json()).catch(() => ({}))
  : {};

/** A phrase in the page's language, with a value in place of `{}`. */
export const t = (chinese, value = "") => (english[chinese] ?? chinese).replace("{}", value);
