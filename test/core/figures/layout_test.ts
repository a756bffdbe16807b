import { equal, ok } from "assert";
import { shortened, textWidth } from "../../../core/figures/layout.ts";

Deno.test("a text is cut where it would be wider than its room, and else left alone", () => {
  for (const name of ["x", "flipper_length_mm", "WIDE CAPITAL NAMES", "eine Spalte, naïve", "温度の列"]) {
    equal(shortened(name, 11, textWidth(name, 11)), name);
    for (const room of [20, 40, 80, 120]) {
      const shown = shortened(name, 11, room);
      if (shown === name) ok(textWidth(name, 11) <= room + 1e-6);
      else {
        ok(textWidth(shown, 11) <= room && textWidth(name, 11) > room, shown);
        ok(shown.endsWith("…") && name.startsWith(shown.slice(0, -1)), shown);
      }
    }
  }
  equal(shortened("a long name", 11, 0), "…");
});
