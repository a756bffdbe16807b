/**
 * The front door for programs: data, fitting, densities, samples, scores, information and figures, in the vocabulary of
 * scikit-learn. Everything else in this repository is machinery that may change.
 *
 * @module
 *
 * @example A density of points, and what it knows
 * ```ts
 * import { ok } from "assert";
 * import { densityFigure, fit, loadData } from "./mod.ts";
 *
 * const data = await loadData("moons", { options: { points: 1000 } });
 * await using model = await fit(data, { epochs: 2, denoiserOptions: { width: 16 } });
 * const { nats, stderr } = await model.nll(data.validation);
 * ok(nats < 3 && stderr > 0);
 * const { logDensity } = await model.logDensity([[0, 0.5], [9, 9]]);
 * ok(logDensity[0] > logDensity[1]);
 * ok((await model.sample(10)).length === 20);
 * ok((await densityFigure(model)).startsWith("<svg"));
 * ```
 */
export { InterruptedError } from "./errors/interrupted_error.ts";
export { UserError } from "./errors/user_error.ts";
export type { RowUniforms, Samples } from "./data/samples.ts";
export type { HostTensor, HostTensors, ParameterShapes } from "./data/tensors.ts";
export type { ClassVariable, Condition, ConditionVariable, NumberVariable } from "./data/condition.ts";
export type { AxisMap } from "./data/standardisation.ts";
export type { Estimate } from "./diffusion/likelihood.ts";
export type { Proposal } from "./diffusion/logsnr.ts";
export type { DiffusionSchedule, LearnedVariance, StepVariance } from "./diffusion/variational_bound.ts";
export type { Eigenbasis } from "./reference/eigenbasis.ts";
export type { Conditioning } from "./reference/conditioning.ts";
export type { Gaussian } from "./reference/gaussian.ts";
export type { GaussianMixture } from "./reference/mixture.ts";
export type { Subspace } from "./reference/subspace.ts";
export type { AtomBlock, Atoms } from "./reference/atoms.ts";
export type {
  ClassColumn,
  DateColumn,
  LeftOutColumn,
  NumberColumn,
  TableColumn,
  TableFile,
  TableSchema,
  Transform,
} from "./rows/column_types.ts";
export type { NumberTransform } from "./rows/transform.ts";
export type { LevelCoding, NumberCoding, TableCoding } from "./rows/table_coding.ts";
export type { OptionSpec, OptionValues } from "./options/spec.ts";
export type {
  CreateContext,
  DataFacts,
  DataInfo,
  Dataset,
  DatasetPlugin,
  Denoiser,
  DenoiserPlugin,
  LoadContext,
  ModelForm,
  PluginProgress,
  RandomPrediction,
  SavedDataInfo,
  Tensor,
  Tensor1D,
} from "./plugins/contracts.ts";
export type { EpochRecord, StepRecord } from "./training/train.ts";
export { DivergenceError } from "./training/divergence.ts";
export { Random, type RandomState } from "./random/random.ts";
export { BACKEND_CHOICES, type BackendChoice, type Precision, PRECISIONS } from "./engine/mod.ts";
export { type SamplerName, SAMPLERS } from "./diffusion/sampling.ts";
export type { RoundLimits } from "./evaluation/take_rounds.ts";
export type { RunningEstimate } from "./evaluation/round_sums.ts";
export type { SamplingOptions } from "./sampling/plan.ts";
export type { BatchRecord, EvaluationRecord } from "./sampling/sampler.ts";
export type { ErrorCurves } from "./mutual_information/information_curves.ts";
export type { ResolvedSettings } from "./model/begin_training.ts";

export { loadData, type LoadDataOptions, type NamedDataset } from "./model/load_data.ts";
export type { ConditionColumns, Rows } from "./model/rows.ts";
export type { NamedValues } from "./data/condition_request.ts";
export type { Given } from "./model/given.ts";
export { fit, type FitOptions, type FittedModel } from "./model/fit.ts";
export { DEFAULTS, type FitDefaults, type FitSettings, SEED_POINTS } from "./model/settings.ts";
export { evaluateSamples, type EvaluationOptions, type SampleQuality } from "./model/evaluate_samples.ts";
export type {
  Compared,
  ComparedAssociations,
  ComparedClassifier,
  ComparedColumn,
  ComparedPoints,
  Quality,
} from "./quality/compare.ts";
export type { ColumnDistance } from "./quality/column_distances.ts";
export type { Association } from "./quality/correlations.ts";
export type { NearestRecords } from "./quality/nearest_records.ts";
export type { Estimate as QualityEstimate } from "./quality/significance.ts";
export type { ClassifierName, ClassifierTest } from "./quality/told_apart.ts";
export type { AnomalyOptions, AnomalyScores } from "./model/anomaly_scores.ts";
export type { ImputationOptions, ImputedRows } from "./model/impute.ts";
export type { ScorerName } from "./model/scorer.ts";
export type { ImputedCell } from "./sampling/impute_rows.ts";
export type { InpaintingMethod } from "./sampling/inpainting.ts";
export type { InpaintingOptions } from "./sampling/inpainting_plan.ts";
export { type AnomalyMeasures, anomalyMeasures } from "./evaluation/anomaly_measures.ts";
export type {
  CommonOptions,
  DrawOptions,
  GivenOptions,
  Likelihood,
  LogDensity,
  Model,
  NllOptions,
} from "./model/model.ts";
export { type ImportOptions, importUnet } from "./model/import_unet.ts";
export { densityFigure, errorFigure, type FigureOptions, lossFigure } from "./model/figures.ts";
export { type LoadedModel, loadModel, type LoadOptions } from "./run/load_model.ts";
export { saveModel } from "./run/save_model.ts";
export {
  type Direction,
  DIRECTIONS,
  INFORMATION_ESTIMATORS,
  type InformationEpoch,
  type InformationEstimator,
  type InformationOptions,
} from "./mutual_information/information_options.ts";
export type { ShuffledInformation } from "./mutual_information/shuffled_rows.ts";
export type { ColumnPart, InformationChecks, Normalisation } from "./mutual_information/checks.ts";
export type { InformedLabel, LabelInformation } from "./mutual_information/label_entropy.ts";
export {
  type InformationDirection,
  type MixtureInformation,
  type MutualInformation,
  mutualInformation,
} from "./mutual_information/information.ts";
export {
  conditionInformation,
  type ConditionInformationOptions,
  type ModelInformation,
} from "./mutual_information/condition_information.ts";
export type { SampleMaps } from "./mutual_information/information_map.ts";
export type { NetworkInformation } from "./mutual_information/network_information.ts";
export type { ConditionInformation, InformationForm } from "./mutual_information/running_information.ts";
export type { TableInformation } from "./mutual_information/table_information.ts";
export { type InformationMatrix, informationMatrix, type MatrixOptions } from "./mutual_information/matrix.ts";
