// The capsule reader of the verifier's page against the five vectors of an independent program.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { NotIssued, decode, digitsOf, open } from "../../src/http/pages/capsule.js";

const { vectors, prefix, public_key_spki: spki } = JSON.parse(readFileSync(new URL("../data/qr-vectors.json", import.meta.url)));
const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
const key = { kid: "a050", spki: bytes(spki), until: null };

for (const vector of vectors) {
  test(`reads: ${vector.title}`, async () => {
    assert.deepEqual(decode(vector.digits), bytes(vector.capsule));
    assert.equal(digitsOf(prefix + vector.digits, prefix), vector.digits);
    assert.equal(digitsOf(`https://elsewhere.example/v/${vector.digits}`, prefix), null);
    const capsule = await open(vector.digits, [key]);
    assert.equal(capsule.type, vector.type);
    assert.equal(capsule.useFrom, vector.use_from);
    assert.equal(capsule.useTo, vector.use_to);
    assert.equal(capsule.issuedAt, vector.issued_at);
    assert.equal(capsule.statusIndex, vector.status_index === 4294967295 ? null : vector.status_index);
    assert.equal(capsule.number, vector.number);
    assert.equal(capsule.name, vector.commitment ? null : vector.name);
    assert.equal(capsule.statement, vector.statement_hash16);
  });
}

const [{ digits }] = vectors;
const refuses = (text, keys = [key]) => assert.rejects(open(text, keys), NotIssued);

test("refuses every single changed digit", async () => {
  for (let i = 0; i < digits.length; i += 1) {
    await refuses(`${digits.slice(0, i)}${(Number(digits[i]) + 1) % 10}${digits.slice(i + 1)}`);
  }
});

test("refuses what is cut, lengthened, spelled otherwise or not digits", async () => {
  for (const text of ["", "1", digits.slice(0, -1), digits.slice(0, -3), `${digits}0`, `${digits}000`, `0${digits}`, digits.replace("0", "o"), "9".repeat(1001)]) {
    await refuses(text);
  }
});

test("refuses without the key, and what a retired key signed after it was retired", async () => {
  await refuses(digits, []);
  await refuses(digits, [{ ...key, kid: "a051" }]);
  await refuses(digits, [{ ...key, until: vectors[0].issued_at - 1 }]);
  await open(digits, [{ ...key, until: vectors[0].issued_at }]);
});
