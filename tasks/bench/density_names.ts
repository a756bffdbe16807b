/** Points in the plane, of this project's own data sets. */
export const PLANE_SETS = ["moons", "ring", "circle", "dino", "square"] as const;

/** Mixtures of four Gaussians in so many dimensions; density_sets.py has others of the same kind under these names. */
export const MIXTURE_SETS = { mix8: 8, mix16: 16, mix32: 32, mix64: 64 } as const;

/** What scikit-learn has, which density_sets.py alone makes. */
export const REAL_SETS = ["digits", "patches"] as const;

export type PlaneSet = typeof PLANE_SETS[number];
export type MixtureSet = keyof typeof MIXTURE_SETS;
/** A set that needs no Python. */
export type OwnSet = PlaneSet | MixtureSet;
export type SetName = OwnSet | typeof REAL_SETS[number];

/** The sets that need no Python. */
export const OWN_SETS: readonly OwnSet[] = [...PLANE_SETS, ...Object.keys(MIXTURE_SETS) as MixtureSet[]];
export const ALL_SETS: readonly SetName[] = [...OWN_SETS, ...REAL_SETS];

/** What users would fit instead, as density_peers.py names it. */
export const PEERS = ["gmm", "kde", "nsf", "maf"] as const;

export type PeerName = typeof PEERS[number];

/** Whether a set is made without Python. */
export function isOwnSet(name: SetName): name is OwnSet {
  return (OWN_SETS as readonly string[]).includes(name);
}

/** Whether a set is made without Python even where there is Python for the peers: mixtures then are Python's. */
export function isPlaneSet(name: SetName): name is PlaneSet {
  return (PLANE_SETS as readonly string[]).includes(name);
}
