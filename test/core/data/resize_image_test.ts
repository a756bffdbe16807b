import { deepEqual, ok } from "assert";
import { resizeImage } from "../../../core/data/resize_image.ts";

Deno.test("images become smaller without skipping pixels, as by Pillow's BILINEAR", () => {
  // Image.fromarray(np.arange(5, dtype=np.float32)[None] ** 2).resize((2, 1), Image.BILINEAR).
  const small = resizeImage(Float32Array.of(0, 1, 4, 9, 16), { channels: 1, height: 1, width: 5 }, [1, 2]);
  [1.7272727, 9.727273].forEach((value, i) => ok(Math.abs(small[i] - value) < 1e-6, `${small}`));
  const large = [0, 0.4375, 1.1875, 3.0625, 5.5625, 8.6875, 12.9375, 16];
  deepEqual([...resizeImage(Float32Array.of(0, 1, 4, 9, 16), { channels: 1, height: 1, width: 5 }, [1, 8])], large);
  deepEqual(
    [...resizeImage(new Float32Array(12).fill(3), { channels: 1, height: 3, width: 4 }, [7, 2])],
    Array(14).fill(3),
  );
});

Deno.test("a part of an image is resized, whichever way its channels lie", () => {
  // Image.fromarray((np.arange(48) ** 2 % 251).astype(np.float32).reshape(6, 8)).resize((3, 2), Image.BILINEAR, (1.5, 0.5, 7, 5)).
  const grey = Float32Array.from({ length: 48 }, (_, i) => i * i % 251),
    box = { left: 1.5, top: 0.5, width: 5.5, height: 4.5 };
  const expected = [75.881096, 109.848755, 146.191879, 134.356705, 117.524376, 131.730621];
  const got = resizeImage(grey, { channels: 1, height: 6, width: 8 }, [2, 3], box);
  expected.forEach((value, i) => ok(Math.abs(got[i] - value) < 1e-3, `${got}`));
  const colour = Uint8Array.from({ length: 144 }, (_, i) => i % 3 === 1 ? grey[Math.floor(i / 3)] : 7);
  const [red, green] = [0, 1].map((c) =>
    resizeImage(colour, { channels: 3, height: 6, width: 8, isChannelsLast: true }, [2, 3], box).subarray(
      6 * c,
      6 * c + 6,
    )
  );
  ok(red.every((value) => Math.abs(value - 7) < 1e-5));
  deepEqual(green, got);
});
