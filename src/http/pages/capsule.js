// The QR capsule, format 1, read in a browser without a network: digits to bytes, Ed25519 by WebCrypto, then the fields.

/** Digits for a last group of 0 to 7 bytes; every group before it has 7 bytes and 17 digits. */
const DIGITS = [0, 3, 5, 8, 10, 13, 15, 17];
const MOST_DIGITS = 1000;
const SIGNATURE = 64;
const FORMAT_1_ED25519 = 0x11;
const COMMITMENT = 0x88;
const PLAIN_NAME_BYTES = 24;
const MOST_NUMBER_DIGITS = 38;
const NO_STATUS = 0xffffffff;
const DOMAIN = new TextEncoder().encode("certpress/qr/1\0");

/** GB/T 2260: the first two digits of the provinces, by the character that stands for each in licence numbers. */
const PROVINCES = Object.fromEntries(
  [
    ..."京11津12冀13晋14蒙15辽21吉22黑23沪31苏32浙33皖34闽35赣36鲁37豫41鄂42湘43粤44桂45琼46渝50川51贵52云53藏54陕61甘62青63宁64新65台71港81澳82".matchAll(
      /(\D)(\d\d)/gu,
    ),
  ].map(([, character, code]) => [Number(code), character]),
);

/** What no trusted key has signed, whatever is wrong with it. */
export class NotIssued extends Error {
  name = "NotIssued";
}

/** This browser cannot check Ed25519. */
export class CannotCheck extends Error {
  name = "CannotCheck";
}

/** The digits of a QR text: the installation's own address that ends in them, or the digits alone; else null. */
export function digitsOf(text, base) {
  const said = text.trim();
  const digits = base && said.startsWith(base) ? said.slice(base.length) : said;
  return /^\d{100,1000}$/.test(digits) ? digits : null;
}

/** The bytes that digits stand for; one spelling for each byte string, so anything else is refused. */
export function decode(digits) {
  if (!/^\d*$/.test(digits) || digits.length > MOST_DIGITS) throw new NotIssued();
  const out = [];
  for (let at = 0; at < digits.length; at += 17) {
    const group = digits.slice(at, at + 17);
    const bytes = DIGITS.indexOf(group.length);
    let value = BigInt(group);
    if (bytes < 0 || value >> BigInt(8 * bytes)) throw new NotIssued();
    const end = out.length;
    for (let i = 0; i < bytes; i += 1, value >>= 8n) out.splice(end, 0, Number(value & 255n));
  }
  return Uint8Array.from(out);
}

/**
 * Reads a capsule that one of the keys has signed while it was in use. `keys` is the published list:
 * `[{kid: "a050", spki: Uint8Array, until: Unix seconds or null}, …]`. The signature comes first.
 */
export async function open(digits, keys) {
  const bytes = decode(digits);
  if (bytes.length < SIGNATURE + 4 || bytes[0] !== FORMAT_1_ED25519) throw new NotIssued();
  const body = bytes.subarray(0, -SIGNATURE);
  const kid = hex(body.subarray(1, 3));
  const message = new Uint8Array([...DOMAIN, ...body]);
  for (const key of keys.filter((key) => key.kid === kid)) {
    if (await verified(key.spki, bytes.subarray(-SIGNATURE), message)) {
      const capsule = { kid, ...read(body) };
      // What a retired key signed before still counts; what it says it signed after does not.
      if (key.until != null && capsule.issuedAt > key.until) throw new NotIssued();
      return capsule;
    }
  }
  throw new NotIssued();
}

/** Whether a key has signed a message. */
export async function verified(spki, signature, message) {
  let key;
  try {
    key = await crypto.subtle.importKey("spki", spki, { name: "Ed25519" }, false, ["verify"]);
  } catch {
    throw new CannotCheck();
  }
  return crypto.subtle.verify({ name: "Ed25519" }, key, signature, message);
}

function read(body) {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  let at = 3;
  const take = (length) => {
    if (at + length > body.length) throw new NotIssued();
    at += length;
    return body.subarray(at - length, at);
  };
  const u8 = () => take(1)[0];
  const u16 = () => (take(2), view.getUint16(at - 2));
  const u32 = () => (take(4), view.getUint32(at - 4));
  const text = (length) => {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(take(length));
    } catch {
      throw new NotIssued();
    }
  };

  const type = u8();
  const [from, to] = [u16(), u16()];
  const issuedAt = u32();
  const statusIndex = u32();
  const number = readNumber(u8(), u8(), take, text);
  const length = u8();
  const commitment = length === COMMITMENT ? hex(take(8)) : null;
  if (commitment === null && (length === 0 || length > PLAIN_NAME_BYTES)) throw new NotIssued();
  const name = commitment === null ? text(length) : null;
  const statement = hex(take(16));
  // Either both days or none, in order; nothing left over: one encoding for each capsule.
  if (at !== body.length || (from === 0) !== (to === 0) || from > to) throw new NotIssued();
  return {
    type,
    useFrom: from ? day(from) : null,
    useTo: to ? day(to) : null,
    issuedAt,
    statusIndex: statusIndex === NO_STATUS ? null : statusIndex,
    number,
    name,
    commitment,
    statement,
  };
}

function readNumber(province, count, take, text) {
  if (province === 0) {
    const number = text(count);
    // A number that could be written the short way must be.
    const short = /^(.)(\d+)$/u.exec(number);
    if (!number || (short && Object.values(PROVINCES).includes(short[1]) && short[2].length <= MOST_NUMBER_DIGITS)) throw new NotIssued();
    return number;
  }
  const character = PROVINCES[province];
  if (!character || count < 1 || count > MOST_NUMBER_DIGITS) throw new NotIssued();
  const bytes = Math.ceil((10n ** BigInt(count) - 1n).toString(2).length / 8);
  const digits = BigInt(`0x${hex(take(bytes))}`).toString().padStart(count, "0");
  if (digits.length !== count) throw new NotIssued();
  return character + digits;
}

const day = (days) => new Date(Date.UTC(2000, 0, 1 + days)).toISOString().slice(0, 10);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
