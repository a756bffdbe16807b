import type { Estimate, InformationDirection, LabelInformation, MutualInformation } from "../../core/mod.ts";

/** What is said of an information in `summary.json`. @param names Of the columns. */
export function informationRecord(information: MutualInformation, names: readonly string[]) {
  const { nats, stderr, x, y, z, mixture, table, shuffled, network, directions } = information;
  const named = (columns: readonly number[]) => columns.map((column) => names[column] ?? column);
  return {
    x: named(x),
    y: named(y),
    ...(z.length > 0 ? { z: named(z) } : {}),
    rows: information.rows,
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
          ...(mixture.maps === undefined ? {} : { maps: mixture.maps }),
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
    ...(network ? { network: { mi_nats: network.mean, mi_stderr: network.stderr } } : {}),
    gaussian_mi_nats: information.gaussianNats,
    ...labelRecords(information, names),
    checks: checksRecord(information, names),
    ...(directions.length > 0
      ? { held_out_rows: information.heldOutRows, directions: directions.map(directionRecord) }
      : {}),
  };
}

function directionRecord({ likelihoodOf, difference, orthogonal, gap, reference, ...rest }: InformationDirection) {
  const { referenceName, epochs, settings, proposal, rounds, evaluations } = rest;
  const estimate = ({ mean, stderr }: Estimate) => ({ mi_nats: mean, mi_stderr: stderr });
  return {
    likelihood_of: likelihoodOf,
    ...estimate(difference),
    orthogonal: estimate(orthogonal),
    gap: { nats: gap.mean, stderr: gap.stderr },
    reference: { name: referenceName, ...estimate(reference) },
    ...{ epochs, batch_size: settings.batchSize, learning_rate: settings.learningRate },
    ...{ logsnr_loc: proposal.loc, logsnr_scale: proposal.scale, rounds, evaluations },
  };
}

function labelRecords({ labels }: MutualInformation, names: readonly string[]) {
  if (labels.length === 0) return {};
  return {
    labels: labels.map((label) => ({
      side: label.side,
      column: names[label.column] ?? label.column,
      ...labelRecord(label),
    })),
  };
}

/** What an information says of a label, in summary.json. */
export function labelRecord(label: LabelInformation) {
  return {
    levels: label.levels,
    entropy_nats: label.entropy,
    mi_part: label.part,
    conditional_entropy_nats: label.conditional.mean,
    conditional_entropy_stderr: label.conditional.stderr,
    guess_error: label.guessError,
    least_error: label.leastError,
    most_error: label.mostError,
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
