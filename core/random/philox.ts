/**
 * The Philox4x32 block function with 10 rounds, of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy
 * as 1, 2, 3" (2011). A bijection of the counter for each key.
 *
 * @param counter Four unsigned 32-bit words.
 * @param key Two unsigned 32-bit words.
 * @returns Four unsigned 32-bit words.
 */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  const out = new Uint32Array(4);
  philoxBlock(counter[0], counter[1], counter[2], counter[3], key[0], key[1], out);
  return [out[0], out[1], out[2], out[3]];
}

/**
 * Writes one Philox block to the four words of `out`: {@link philox4x32} without an allocation. The high half of a
 * 32 x 32 bit product is put together from 16-bit halves: every partial sum fits in 32 bits, so that integer
 * arithmetic is exact.
 */
export function philoxBlock(
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
  out: Uint32Array,
): void {
  for (let round = 0; round < 10; round++) {
    // Multipliers 0xd2511f53 for word 0 and 0xcd9e8d57 for word 2.
    const a = c0 >>> 16, b = c0 & 0xffff, c = c2 >>> 16, d = c2 & 0xffff;
    const s = Math.imul(a, 0x1f53) + (Math.imul(b, 0x1f53) >>> 16) | 0;
    const t = Math.imul(b, 0xd251) + (s & 0xffff) | 0;
    const high0 = Math.imul(a, 0xd251) + (s >>> 16) + (t >>> 16) | 0;
    const u = Math.imul(c, 0x8d57) + (Math.imul(d, 0x8d57) >>> 16) | 0;
    const v = Math.imul(d, 0xcd9e) + (u & 0xffff) | 0;
    const high2 = Math.imul(c, 0xcd9e) + (u >>> 16) + (v >>> 16) | 0;
    const low0 = Math.imul(c0, 0xd2511f53), low2 = Math.imul(c2, 0xcd9e8d57);
    c0 = high2 ^ c1 ^ k0;
    c1 = low2;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    // The Weyl sequence of round keys: the golden ratio and √3 − 1.
    k0 = k0 + 0x9e3779b9 | 0;
    k1 = k1 + 0xbb67ae85 | 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}
