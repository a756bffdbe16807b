/** Does something with each of many, some at a time. */
export async function inPool<T>(all: readonly T[], jobs: number, work: (one: T) => Promise<void>): Promise<void> {
  const waiting = all.values();
  const take = async () => {
    for (const one of waiting) await work(one);
  };
  await Promise.all(Array.from({ length: jobs }, take));
}
