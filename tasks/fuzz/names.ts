/** The formats of whose files damaged ones are read, in the order in which they are tried. */
export const FORMAT_NAMES = [
  ...["csv", "npy", "npz", "hdf5", "mat", "safetensors", "parquet", "torch", "idx", "png", "jpeg", "webp", "tar"],
  ...["json", "table", "table-schema", "table-types"],
  ...["unet-config", "scheduler-config", "weights-index", "run-config"],
] as const;
