// Keeps the verifier's page, the keys and the status list, so that a code can be checked without a network.
// No page that somebody is logged in to is ever kept.
const KEPT = "certpress-verify-1";
const SHELL = `/verify${location.search}`;
const PARTS = ["style.css", "emblem.svg", "guilloche.svg", "verify.js", "offline.js", "capsule.js", "page.js", "words.js", "english.json", "answers.json", "types.json"];
const PATIENCE = 4000;

async function keep() {
  const anonymous = (path) => new Request(path, { credentials: "omit", cache: "no-cache" });
  const kept = await caches.open(KEPT);
  await kept.addAll([SHELL, "/.well-known/certpress/keys.json", ...PARTS.map((part) => `/assets/${part}`)].map(anonymous));
}

addEventListener("install", (event) => event.waitUntil(keep().then(() => skipWaiting())));

// Each visit with a network brings what is kept up to date: a release changes the pages, not this script.
addEventListener("message", (event) => event.waitUntil(keep().catch(() => {})));

addEventListener("activate", (event) => {
  const others = async () => Promise.all((await caches.keys()).filter((name) => name !== KEPT).map((name) => caches.delete(name)));
  event.waitUntil(others().then(() => clients.claim()));
});

addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (request.mode === "navigate") {
    if (pathname === "/verify" || pathname.startsWith("/v/")) event.respondWith(network(request).catch(() => caches.match(SHELL)));
  } else if (pathname.startsWith("/assets/") || pathname.startsWith("/.well-known/certpress/")) {
    event.respondWith(fresh(request));
  }
});

/** A network that does not answer in time is none: at a site gate it often is so. */
const network = (request) => fetch(request, { signal: AbortSignal.timeout(PATIENCE) });

async function fresh(request) {
  const kept = await caches.open(KEPT);
  try {
    const answer = await network(request);
    if (answer.ok) await kept.put(request, answer.clone());
    return answer;
  } catch (error) {
    const old = await kept.match(request);
    if (old) return old;
    throw error;
  }
}
