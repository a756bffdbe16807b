/** Prints the NLL of a file's rows under N(0, I), one of its rows, and by how many MB this process grew. */
import { gaussianNll, standardGaussian } from "../../core/reference/gaussian.ts";
import { selectRows, toFloat32 } from "../../core/data/samples.ts";
import { sizeOf } from "../../core/data/tensors.ts";
import { openRows } from "../../core/files/open_rows.ts";

const before = Deno.memoryUsage().rss;
using rows = await openRows(Deno.args[0], {});
const nll = gaussianNll(rows.samples, standardGaussian(sizeOf(rows.shape)));
const row = toFloat32(selectRows(rows.samples, Uint32Array.of(Number(Deno.args[1]))));
const mean = nll.reduce((sum, value) => sum + value / nll.length, 0);
const grown = (Deno.memoryUsage().rss - before) / 1e6;
console.log(JSON.stringify({ count: nll.length, mean, first: row[0], grown }));
