// Judging a code without a network: the published keys, the last status list, and the day in Shanghai.
import { CannotCheck, NotIssued, open } from "./capsule.js";

const WELL_KNOWN = "/.well-known/certpress";
const STANDING = [null, "superseded", "suspended", "ended"];

const json = async (path) => {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(path);
  return answer.json();
};
const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

/** The keys that count. */
export async function keys() {
  const { keys } = await json(`${WELL_KNOWN}/keys.json`);
  const seconds = (instant) => (instant ? Date.parse(instant) / 1000 : null);
  return keys.map(({ kid, spki, test, until }) => ({ kid, test, spki: bytes(spki), until: seconds(until) }));
}
