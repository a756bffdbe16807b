import os from "node:os";
import configuration from "../../deno.json" with { type: "json" };
import type { Gpu } from "../../core/devices/mod.ts";
import type { BackendDecision } from "../../core/engine/auto.ts";
import { type ChildLimits, runChild } from "./child.ts";

/** What `auto` chooses for points and for images. */
export interface AutoChoices {
  readonly points: BackendDecision;
  readonly images: BackendDecision;
}

/** What find_gpus.ts prints. */
export interface GpuRecord {
  readonly kind: "gpus";
  readonly gpus: readonly Gpu[];
  readonly auto: AutoChoices;
}

/** The machine and what it runs, as `--json` gives it. */
export interface Machine {
  readonly versions: Readonly<Record<string, string>>;
  readonly system: { readonly name: string; readonly release: string; readonly architecture: string };
  readonly processor: { readonly model: string; readonly cores: number };
  readonly memory: { readonly total_bytes: number; readonly available_bytes: number };
}

/** What the search for GPUs gave, or why it failed. */
export type GpuSearch = Omit<GpuRecord, "kind"> | { readonly problem: string };

/** What is known of the machine without asking a driver. */
export function describeMachine(): Machine {
  const { total, available } = Deno.systemMemoryInfo();
  const [processor] = os.cpus();
  return {
    versions: {
      itdiffusion: configuration.version,
      deno: Deno.version.deno,
      v8: Deno.version.v8,
      tfjs: pinned("@tensorflow/tfjs"),
      "onnxruntime-node": pinned("onnxruntime-node"),
    },
    system: { name: systemName(), release: os.release(), architecture: Deno.build.arch },
    processor: { model: processor?.model.trim() || "unknown", cores: navigator.hardwareConcurrency },
    memory: { total_bytes: total, available_bytes: available },
  };
}

/** Looks for GPUs in a process of its own, which may read what Linux says of those that no driver reaches. */
export async function findGpus(limits: ChildLimits): Promise<GpuSearch> {
  const search = runChild<GpuRecord>("./find_gpus.ts", [], { ...limits, permissions: ["--allow-all"] });
  const { records: [found], problem } = await search;
  if (!found) return { problem: problem ?? "its process ended without a result" };
  return { gpus: found.gpus, auto: found.auto };
}

/** A package's version, which deno.json names exactly. */
function pinned(name: keyof typeof configuration.imports): string {
  return configuration.imports[name].replace(/^npm:.*@/, "");
}

/** The system's name, on Linux that of the distribution. */
function systemName(): string {
  try {
    const name = Deno.readTextFileSync("/etc/os-release").match(/^PRETTY_NAME="?(.*?)"?$/m)?.[1];
    if (name) return name;
  } catch {
    // Not a Linux system, or one without the file.
  }
  return { darwin: "macOS", windows: "Windows" }[Deno.build.os as string] ?? os.type();
}
