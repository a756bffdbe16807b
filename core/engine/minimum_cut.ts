/** A pipe of a network of flows. */
interface Pipe {
  readonly to: number;
  room: number;
  readonly back: Pipe;
}

/**
 * The cheapest vertices of a directed graph that lie on all ways from its sources to its sinks (L. Ford, D. Fulkerson 1956;
 * by shortest ways, J. Edmonds, R. Karp 1972; all of a length at once, E. Dinic 1970). Of several such sets the nearest to
 * the sinks.
 *
 * @param costs Of each vertex.
 * @param edges From vertex to vertex.
 */
export function minimumCut(
  costs: readonly number[],
  edges: Iterable<readonly [number, number]>,
  sources: Iterable<number>,
  sinks: Iterable<number>,
): Set<number> {
  // A vertex is a pipe from its entry to its exit.
  const count = costs.length, entry = (v: number) => 2 * v, exit = (v: number) => 2 * v + 1;
  const source = 2 * count, sink = source + 1;
  const pipes: Pipe[][] = Array.from({ length: sink + 1 }, () => []);
  const lay = (from: number, to: number, room: number) => {
    const there = { to, room } as Pipe & { back: Pipe };
    const back: Pipe = { to: from, room: 0, back: there };
    there.back = back;
    pipes[from].push(there);
    pipes[to].push(back);
  };
  costs.forEach((cost, v) => lay(entry(v), exit(v), cost));
  for (const [from, to] of edges) lay(exit(from), entry(to), Infinity);
  for (const v of sources) lay(source, entry(v), Infinity);
  for (const v of sinks) lay(exit(v), sink, Infinity);

  for (let levels = levelsFrom(pipes, source); levels[sink] >= 0; levels = levelsFrom(pipes, source)) {
    const next = new Uint32Array(pipes.length);
    while (push(pipes, levels, next, source, sink) > 0);
  }
  const reaches = reaching(pipes, sink);
  return new Set(costs.keys().filter((v) => reaches[exit(v)] && !reaches[entry(v)]));
}

/** How many pipes with room lie between a place and each other; −1 where there is no way. */
function levelsFrom(pipes: readonly Pipe[][], source: number): Int32Array {
  const levels = new Int32Array(pipes.length).fill(-1), queue = [source];
  levels[source] = 0;
  for (const place of queue) {
    for (const { to, room } of pipes[place]) {
      if (room <= 0 || levels[to] >= 0) continue;
      levels[to] = levels[place] + 1;
      queue.push(to);
    }
  }
  return levels;
}

/** Lets as much flow as there is room for along one of the shortest ways. @returns How much. */
function push(pipes: readonly Pipe[][], levels: Int32Array, next: Uint32Array, source: number, sink: number): number {
  const way: Pipe[] = [];
  for (let place = source; place !== sink;) {
    const pipe = pipes[place][next[place]];
    if (pipe === undefined) {
      // A dead end.
      const last = way.pop();
      if (!last) return 0;
      place = last.back.to;
      next[place]++;
    } else if (pipe.room > 0 && levels[pipe.to] === levels[place] + 1) {
      way.push(pipe);
      place = pipe.to;
    } else next[place]++;
  }
  const flow = Math.min(...way.map(({ room }) => room));
  for (const pipe of way) {
    pipe.room -= flow;
    pipe.back.room += flow;
  }
  return flow;
}

/** Whether there is a way with room from each place to the sink. */
function reaching(pipes: readonly Pipe[][], sink: number): Uint8Array {
  const reaches = new Uint8Array(pipes.length), queue = [sink];
  reaches[sink] = 1;
  for (const place of queue) {
    for (const { to, back } of pipes[place]) {
      if (back.room <= 0 || reaches[to]) continue;
      reaches[to] = 1;
      queue.push(to);
    }
  }
  return reaches;
}
