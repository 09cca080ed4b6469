// Judging a code without a network: the published keys, the last status list, and the day in Shanghai.
import { CannotCheck, NotIssued, open, verified } from "./capsule.js";

const WELL_KNOWN = "/.well-known/certpress";
const ENTRIES = 2 ** 24;
const STANDING = [null, "superseded", "suspended", "ended"];

async function json(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(path);
  return answer.json();
}
const bytes = (base64) => Uint8Array.from(atob(base64.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));

/** The keys that count. */
async function keys() {
  const { keys } = await json(`${WELL_KNOWN}/keys.json`);
  const seconds = (instant) => (instant ? Date.parse(instant) / 1000 : null);
  return keys.map(({ kid, spki, test, until }) => ({ kid, test, spki: bytes(spki), until: seconds(until) }));
}

/** What the signed status list that covers an index says of it, and when the list was made. */
async function standing(index, trusted) {
  const { protected: head, payload, signature } = await json(`${WELL_KNOWN}/status/${Math.floor(index / ENTRIES)}`);
  const { kid, alg, typ } = JSON.parse(new TextDecoder().decode(bytes(head)));
  if (alg !== "EdDSA" || typ !== "statuslist+jws") throw new NotIssued();
  const message = new TextEncoder().encode(`${head}.${payload}`);
  const checks = await Promise.all(trusted.filter((key) => key.kid === kid).map(({ spki }) => verified(spki, bytes(signature), message)));
  if (!checks.includes(true)) throw new NotIssued();
  const { first, iat, exp, status_list: list } = JSON.parse(payload);
  const inflated = new Blob([bytes(list.lst)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const array = new Uint8Array(await new Response(inflated).arrayBuffer());
  const place = index - first;
  // A list that ends before the index was made before this version: it says nothing about it.
  const covered = place >= 0 && place >> 2 < array.length;
  return { state: covered ? STANDING[(array[place >> 2] >> (2 * (place & 3))) & 3] : null, listed: iat * 1000, stale: Date.now() / 1000 > exp };
}

/** Brings keys and status list into this browser, for the time without a network. */
export const ready = () => Promise.all([keys(), json(`${WELL_KNOWN}/status/0`)]);

const today = () => new Date(Date.now() + 8 * 3600_000).toISOString().slice(0, 10);

function period({ useFrom, useTo }) {
  if (!useFrom) return "undated";
  if (today() < useFrom) return "not-begun";
  return today() > useTo ? "over" : "valid";
}

/** The verdict about digits, in the fields of the service's own. */
export async function judge(digits) {
  const trusted = await keys();
  let capsule;
  try {
    capsule = await open(digits, trusted);
  } catch (error) {
    if (error instanceof NotIssued) return { state: "not-issued" };
    throw error;
  }
  const known = capsule.statusIndex === null ? null : await standing(capsule.statusIndex, trusted).catch((error) => {
    if (error instanceof CannotCheck) throw error;
    return null;
  });
  return {
    state: known?.state ?? period(capsule),
    number: capsule.number,
    name: capsule.name,
    licence_type: capsule.type,
    use_from: capsule.useFrom,
    use_to: capsule.useTo,
    test: trusted.find(({ kid }) => kid === capsule.kid)?.test ?? false,
    listed: known?.listed ?? null,
    caution: known === null ? "没有状态数据：不能得知是否已被替代、暂扣或注销。" : known.stale ? "状态数据已经过时，请尽快联网再核验一次。" : null,
  };
}
