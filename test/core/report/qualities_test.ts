import { deepEqual, equal, match, ok } from "assert";
import { qualitySection, savedQuality } from "../../../core/report/qualities.ts";

const RECORD = {
  rows: 150,
  data: "people.csv-validation",
  classifiers: [{ samples: { accuracy: { value: 0.61, stderr: 0.02 } }, real: { accuracy: { value: 0.5 } } }],
  sliced_wasserstein: { value: 0.2, stderr: 0.01, real: 0.1, real_scatter: 0.02 },
  nearest: { samples: { ratio: 0.9, copies: 0.01 } },
  findings: ["the trees tell <samples> from held-out rows: 61.0 % right", 7],
};

Deno.test("a comparison's numbers and findings are shown, escaped, and what is damaged is left out", () => {
  const quality = savedQuality("a", JSON.stringify(RECORD))!;
  deepEqual(quality.accuracy, { value: 0.61, stderr: 0.02, real: 0.5 });
  const { text } = qualitySection([quality])!;
  match(text, /61\.0 ± 2\.0 % \(50\.0 %\)/);
  match(text, /0\.200 ± 0\.010 \(0\.100\)/);
  ok(text.includes("&lt;samples&gt;") && !text.includes("<samples>"));
  equal(qualitySection([]), undefined);
  for (const damaged of ["", "[]", "null", '{"rows":1}', JSON.stringify({ ...RECORD, rows: "many" })]) {
    equal(savedQuality("a", damaged), undefined);
  }
  deepEqual(savedQuality("a", JSON.stringify({ ...RECORD, findings: null, nearest: 3, data: 4 })), {
    ...{ name: "a", rows: 150, accuracy: quality.accuracy, findings: [] },
    sliced: { value: 0.2, stderr: 0.01, real: 0.1 },
  });
});
