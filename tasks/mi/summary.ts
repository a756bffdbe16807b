import type { MutualInformation } from "../../core/mod.ts";

/** What is said of an information in `summary.json`. @param names Of the columns. */
export function informationRecord(information: MutualInformation, names: readonly string[]) {
  const { nats, stderr, x, y, z, mixture, table, shuffled, networks, directions } = information;
  const named = (columns: readonly number[]) => columns.map((column) => names[column] ?? column);
  return {
    x: named(x),
    y: named(y),
    ...(z.length > 0 ? { z: named(z) } : {}),
    rows: information.rows,
    held_out_rows: information.heldOutRows,
    mi_nats: nats,
    mi_stderr: stderr,
    mi_bits: nats / Math.LN2,
    mi_bits_stderr: stderr / Math.LN2,
    estimator: information.estimator,
    ...(mixture
      ? {
        mixture: {
          mi_nats: mixture.nats,
          mi_stderr: mixture.stderr,
          held_out_nats: mixture.heldOut,
          fitted_nats: mixture.fitted,
          // JSON has no infinity.
          dof: mixture.dof === Infinity ? "inf" : mixture.dof,
          components: mixture.components,
          ...(mixture.classes === undefined ? {} : { classes: mixture.classes, shared: mixture.shared }),
        },
      }
      : {}),
    ...(table
      ? {
        table: {
          mi_nats: table.nats,
          mi_stderr: table.stderr,
          held_out_nats: table.heldOut,
          fitted_nats: table.fitted,
          levels: table.levels,
          shrinkage: table.shrinkage,
        },
      }
      : {}),
    ...(shuffled ? { shuffled: { mi_nats: shuffled.nats, scatter: shuffled.scatter, p_value: shuffled.pValue } } : {}),
    ...(networks ? { networks: { mi_nats: networks.mean, mi_stderr: networks.stderr } } : {}),
    gaussian_mi_nats: information.gaussianNats,
    ...labelRecords(information, names),
    checks: checksRecord(information, names),
    directions: directions.map(({ nll, bestEpochs, proposal, steps, parameters, likelihoodOf }) => ({
      likelihood_of: likelihoodOf,
      nll: nll.marginal.mean,
      nll_stderr: nll.marginal.stderr,
      conditional_nll: nll.conditional.mean,
      conditional_nll_stderr: nll.conditional.stderr,
      best_epoch: bestEpochs[0],
      conditional_best_epoch: bestEpochs[1],
      logsnr_loc: proposal.loc,
      logsnr_scale: proposal.scale,
      steps,
      parameters,
    })),
  };
}

function labelRecords({ labels }: MutualInformation, names: readonly string[]) {
  if (labels.length === 0) return {};
  return {
    labels: labels.map((label) => ({
      side: label.side,
      column: names[label.column] ?? label.column,
      levels: label.levels,
      entropy_nats: label.entropy,
      mi_part: label.part,
      conditional_entropy_nats: label.conditional.mean,
      conditional_entropy_stderr: label.conditional.stderr,
      guess_error: label.guessError,
      least_error: label.leastError,
      most_error: label.mostError,
    })),
  };
}

function checksRecord({ checks }: MutualInformation, names: readonly string[]) {
  const { symmetry, normalisation, columns, warnings } = checks;
  return {
    ...(symmetry ? { x_less_y_nats: symmetry.mean, x_less_y_stderr: symmetry.stderr } : {}),
    ...(normalisation
      ? {
        normalisation: {
          // Where nothing but 0 was met there is no logarithm, and JSON has no infinity.
          log_mean_ratio: Number.isFinite(normalisation.nats) ? normalisation.nats : null,
          stderr: Number.isFinite(normalisation.stderr) ? normalisation.stderr : null,
          effective_pairs: Number.isFinite(normalisation.pairs) ? Math.round(normalisation.pairs) : 0,
        },
      }
      : {}),
    ...(columns.length > 0
      ? {
        lost_without: columns.map(({ side, column, nats, stderr }) => ({
          ...{ side, column: names[column] ?? column, mi_nats: nats, mi_stderr: stderr },
        })),
      }
      : {}),
    warnings,
  };
}
