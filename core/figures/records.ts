/** A model's density on a square grid at one epoch. */
export interface DensityPanel {
  readonly epoch: number;
  /**
   * log p(x) in nats, `side * side` values. Row r lies at x₂ = −extent + 2·extent·r/(side − 1), column c at the same
   * x₁. Values that are not finite are allowed: NaN and −∞ are drawn as blank.
   */
  readonly logDensity: Float32Array;
  /** What stands above it; its epoch if left out. */
  readonly label?: string;
  /** Data points that it is shown with, `[n, 2]` row by row; those of all panels if left out. */
  readonly points?: Float32Array;
}

/** What the contour figure shows: the density at up to eight epochs, or given up to eight classes, with some of the data. */
export interface ContourRecord {
  readonly title: string;
  /** One to eight panels, in the order in which they are drawn. */
  readonly panels: readonly DensityPanel[];
  /** The standard deviation of the Gaussian noise that the density is that of data with, where it is shown so. */
  readonly resolution?: number;
  /** Whether it is p(x | c), the density given something. */
  readonly isGiven?: boolean;
  /** Grid points along each axis of a panel. */
  readonly side: number;
  /** The panels cover [−extent, extent]². */
  readonly extent: number;
  /** Data points, `[n, 2]` row by row. */
  readonly points: Float32Array;
}

/** Where the log SNR is sampled: a logistic distribution, cut at four scales either side, or evenly over that range. */
export interface LogSnrProposal {
  /** Its centre in nats. */
  readonly loc: number;
  /** Its scale in nats. */
  readonly scale: number;
  /** Whether all log SNRs of the range are equally likely; they are not if left out. */
  readonly even?: boolean;
}

/** What the MSE figure shows: the denoiser's error over log SNR. The arrays are of one length. */
export interface MseRecord extends LogSnrProposal {
  readonly title: string;
  /** Log SNR in nats, in any order. */
  readonly logsnr: readonly number[];
  /** E‖ε − ε̂‖² of the denoiser at each log SNR. */
  readonly mse: readonly number[];
  /** The MMSE, at each log SNR, of the Gaussian with the data's mean and covariance. */
  readonly gaussian: readonly number[];
  /** The standard error of `mse`. */
  readonly stderr?: readonly number[];
  /** The MMSE of a standard Gaussian, d·σ(α), drawn as a thin line. */
  readonly standard?: readonly number[];
  /** The dimension d of the data. */
  readonly dimension: number;
  /** A better proposal than the one in use, found from the curve. */
  readonly suggestion?: LogSnrProposal;
}

/** What the blend figure shows: λ(α) of a model that is a network and a reference together. */
export interface BlendRecord {
  readonly title: string;
  /** Log SNR in nats, ascending. */
  readonly logsnr: readonly number[];
  /** The network's share at each, in [0, 1]. */
  readonly weight: readonly number[];
  /** What to call the reference. */
  readonly reference: string;
}

/** What the calibration figure shows: predicted classes by the probability that they were given. */
export interface CalibrationRecord {
  readonly title: string;
  /** What was predicted and how well, on one line. */
  readonly subtitle: string;
  readonly bins: readonly {
    readonly count: number;
    /** The mean probability of the likeliest class. */
    readonly confidence: number;
    /** The share of right answers. */
    readonly accuracy: number;
  }[];
}

/** The likelihood at the end of one epoch, in nats. */
export interface LossPoint {
  readonly epoch: number;
  readonly trainNll: number;
  readonly valNll: number;
  /** Standard error of `valNll`. */
  readonly valNllStderr: number;
}

/** What the loss figure shows: the negative log likelihood through training. */
export interface LossRecord {
  readonly title: string;
  readonly epochs: readonly LossPoint[];
  /** The data's true differential entropy in nats, which no model can beat. */
  readonly entropy?: number;
}

/** What the overview shows: a finished 2-D run on one page. */
export interface OverviewRecord {
  readonly title: string;
  /** The final negative log likelihood in nats. */
  readonly nll: number;
  /** Standard error of `nll`. */
  readonly nllStderr?: number;
  /** The final density. Its epoch is the number of epochs trained. */
  readonly density: DensityPanel;
  /** The standard deviation of the Gaussian noise that the density is that of data with, where it is shown so. */
  readonly resolution?: number;
  /** Grid points along each axis of the density. */
  readonly side: number;
  /** The density covers [−extent, extent]². */
  readonly extent: number;
  /** Data points, `[n, 2]` row by row. */
  readonly points: Float32Array;
  readonly mse: Omit<MseRecord, "title">;
  readonly loss: Omit<LossRecord, "title">;
}

/** What a figure of samples says. */
export interface SamplesRecord {
  readonly title: string;
  /** How the samples were drawn, on one line. */
  readonly subtitle: string;
}

/** What the figure of sampled points shows. */
export interface PointSamplesRecord extends SamplesRecord {
  /** `[n, 2]` row by row. */
  readonly points: Float32Array;
  /** The model's density on its grid, where it is known. */
  readonly density?: Pick<ContourRecord, "side" | "extent" | "resolution" | "isGiven"> & {
    readonly panel: DensityPanel;
  };
}

/** What the figure of scored rows shows. */
export interface ScoresRecord {
  readonly title: string;
  readonly subtitle: string;
  /** −log p of the rows that others are compared with, in nats. */
  readonly reference: Float64Array;
  /** Of the rows that are scored. */
  readonly scores: Float64Array;
  /** The score from which a row counts as an anomaly, where one is asked for. */
  readonly threshold?: number;
  /** The values whose parts are shown; none where they are not told. */
  readonly columns: readonly string[];
  /** The most anomalous rows: by how many nats each value is above usual, not a number where it is unknown. */
  readonly rows: readonly { readonly label: string; readonly excess: ArrayLike<number> & Iterable<number> }[];
}

/** What the figure of estimators side by side shows, in nats. */
export interface EstimatorsRecord {
  readonly title: string;
  /** What they are of, on one line. */
  readonly subtitle: string;
  readonly estimates: readonly {
    readonly name: string;
    readonly nats: number;
    /** Of the finite number of samples, and of the noise. */
    readonly stderr: number;
    /** Of the noise alone. */
    readonly noiseStderr: number;
  }[];
  /** −log p by the flow less that by the paired estimator, of each sample. */
  readonly differences: ArrayLike<number>;
  /** The mean of the differences, and its standard error. */
  readonly difference: readonly [number, number];
  readonly bound: {
    /** Of each step, falling. */
    readonly logsnr: ArrayLike<number>;
    readonly divergence: ArrayLike<number>;
    readonly stderr: ArrayLike<number>;
    readonly prior: number;
    readonly decoder: number;
  };
}
