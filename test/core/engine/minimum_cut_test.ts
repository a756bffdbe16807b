import { deepEqual, equal, ok } from "assert";
import { minimumCut } from "../../../core/engine/minimum_cut.ts";
import { Random } from "../../../core/random/random.ts";

type Edges = readonly (readonly [number, number])[];

/** Whether a way leads from a source to a sink that meets none of some vertices. */
function isOpen(edges: Edges, sources: readonly number[], sinks: readonly number[], cut: ReadonlySet<number>): boolean {
  const reached = new Set(sources.filter((v) => !cut.has(v)));
  for (const from of reached) for (const [a, b] of edges) if (a === from && !cut.has(b)) reached.add(b);
  return sinks.some((v) => reached.has(v));
}

Deno.test("the cut is the narrowest place on all ways, the nearest to the sinks where several are", () => {
  // 0 and 1 meet in 2, and 3 and 4 follow from it.
  const edges: Edges = [[0, 2], [1, 2], [2, 3], [3, 4], [1, 4]];
  deepEqual(minimumCut([5, 5, 1, 9, 9], edges, [0, 1], [3]), new Set([2]));
  deepEqual(minimumCut([5, 5, 1, 1, 9], edges, [0, 1], [3]), new Set([3]));
  deepEqual(minimumCut([5, 1, 1, 9, 9], edges, [0, 1], [4]), new Set([1, 2]));
  deepEqual(minimumCut([5, 5, 1, 9, 2], edges, [0, 1], [4]), new Set([4]));
  // A vertex that is both, and one that no source leads to.
  deepEqual(minimumCut([3, 1], [], [0], [0, 1]), new Set([0]));
});

Deno.test("no set of vertices that closes all ways is cheaper", () => {
  const random = Random.fromSeed(3), below = (n: number) => Math.floor(n * random.uniform());
  for (let round = 0; round < 200; round++) {
    const n = 2 + below(7), costs = Array.from({ length: n }, () => 1 + below(9));
    const edges = Array.from({ length: below(2 * n) }, () => [below(n), below(n)] as const).filter(([a, b]) => a < b);
    const some = () => [...costs.keys()].filter(() => random.uniform() < 0.4);
    const [sources, sinks] = [some(), some()], cut = minimumCut(costs, edges, sources, sinks);
    const costOf = (set: ReadonlySet<number>) => [...set].reduce((sum, v) => sum + costs[v], 0);
    ok(!isOpen(edges, sources, sinks, cut));
    const all = Array.from({ length: 2 ** n }, (_, bits) => new Set(costs.keys().filter((v) => bits >> v & 1)));
    equal(costOf(cut), Math.min(...all.filter((set) => !isOpen(edges, sources, sinks, set)).map(costOf)));
  }
});
