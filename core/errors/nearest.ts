import leven from "leven";

/** At most three names that a slip of the finger may have meant, best first. */
export function nearest(name: string, names: Iterable<string>): string[] {
  // Two letters that changed places are a distance of two.
  const limit = Math.min(name.length - 1, Math.max(2, Math.floor(name.length / 3)));
  return [...names].map((candidate) => ({ candidate, distance: leven(name, candidate) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ candidate }) => candidate);
}
