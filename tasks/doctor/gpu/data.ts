import { join } from "node:path";
import { Random } from "../../../core/random/random.ts";
import type { Size } from "./record.ts";
import { PICTURES, PICTURES_FILE, POINTS_FILE } from "./sizes.ts";

const POINTS = 600;

/** Makes what is trained on, the same everywhere: two half circles, and pictures of a bright spot. */
export async function writeData(folder: string, size: Size): Promise<void> {
  const random = Random.fromSeed(0);
  await Deno.writeTextFile(join(folder, POINTS_FILE), moons(random.split("points")));
  await Deno.writeFile(join(folder, PICTURES_FILE), spots(PICTURES[size], random.split("pictures")));
}

function moons(random: Random): string {
  return Array.from({ length: POINTS }, (_, i) => {
    const [angle, side] = [Math.PI * random.uniform(), i % 2 === 0 ? 1 : -1];
    const x = side * Math.cos(angle) + (1 - side) / 2, y = side * Math.sin(angle) + (1 - side) / 4;
    return `${x + 0.03 * random.normal()},${y + 0.03 * random.normal()}\n`;
  }).join("");
}

/** Pictures as an NPY file of bytes. */
function spots(shape: readonly [number, number, number, number], random: Random): Uint8Array {
  const [count, height, width, channels] = shape;
  const pixels = new Uint8Array(count * height * width * channels);
  for (let n = 0, i = 0; n < count; n++) {
    const [row, column] = [height * random.uniform(), width * random.uniform()];
    for (let p = 0; p < height * width; p++) {
      const squared = ((Math.floor(p / width) - row) / height) ** 2 + ((p % width - column) / width) ** 2;
      for (let c = 0; c < channels; c++) pixels[i++] = 220 * Math.exp(-8 * squared) / (c + 1) + 30 * random.uniform();
    }
  }
  const header = `{'descr': '|u1', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`.padEnd(117) + "\n";
  const start = Uint8Array.of(0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, header.length, 0);
  const file = new Uint8Array(start.length + header.length + pixels.length);
  file.set(start);
  file.set(new TextEncoder().encode(header), start.length);
  file.set(pixels, start.length + header.length);
  return file;
}
