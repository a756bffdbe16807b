import { ALL_SETS, OWN_SETS, PEERS } from "./density_names.ts";

/** The options of the case `density` alone. */
export const DENSITY_OPTIONS = {
  vsPython: {
    default: false,
    help:
      "read: read the same with pandas; density: fit what Python users would beside ours; needs Python with scikit-learn, torch, zuko and safetensors.",
  },
  sets: {
    optional: "string",
    placeholder: "names",
    help: `density: sets, separated by commas (default ${OWN_SETS.join()}; beside Python also ${
      ALL_SETS.slice(OWN_SETS.length).join()
    }).`,
  },
  peers: { default: PEERS.join(), placeholder: "names", help: "density: what is fitted beside ours." },
  limit: { default: 300, above: 0, help: "density: seconds after which the training of nsf or maf ends." },
  out: {
    optional: "string",
    placeholder: "folder",
    help: "density, mi: where to write (default: a new folder in runs).",
  },
} as const;
