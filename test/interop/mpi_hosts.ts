/** Network namespaces stand for hosts: they have names and addresses of their own, and only a wire between them. */
import { equal, ok } from "assert";
import { join } from "node:path";
import { latestCheckpoint, loadCheckpoint } from "../../core/io/checkpoints.ts";
import { runTask, taskArguments } from "../tasks/command.ts";
import { ENVIRONMENT, finished, inPointsFolder, isInstalled, POINTS, requireSameRun, untilEpoch } from "./mpirun.ts";

const HOSTS = [0, 1].map((i) => ({
  namespace: `itdiffusion-${i}`,
  device: `itd-wire-${i}`,
  address: `10.97.31.${i + 1}`,
}));

async function command(program: string, ...args: string[]): Promise<boolean> {
  const { success } = await new Deno.Command(program, { args, stdout: "null", stderr: "null" }).output();
  return success;
}

/** Makes the namespaces and the wire. Returns whether that is allowed here. */
async function makeHosts(): Promise<boolean> {
  if (!await isInstalled("ip") || !await isInstalled("mpirun.openmpi")) return false;
  await removeHosts();
  const [a, b] = HOSTS;
  for (const { namespace } of HOSTS) if (!await command("ip", "netns", "add", namespace)) return false;
  const peer = ["peer", "name", b.device, "netns", b.namespace];
  if (!await command("ip", "link", "add", a.device, "netns", a.namespace, "type", "veth", ...peer)) return false;
  for (const { namespace, device, address } of HOSTS) {
    await command("ip", "-n", namespace, "addr", "add", `${address}/24`, "dev", device);
    for (const each of ["lo", device]) await command("ip", "-n", namespace, "link", "set", each, "up");
  }
  return true;
}

async function removeHosts(): Promise<void> {
  for (const { namespace } of HOSTS) await command("ip", "netns", "del", namespace);
}

/** Starts a task with a rank on each host. `agent` is a program that stands for `ssh`. */
async function startOnHosts(agent: string, task: string, args: readonly string[], cwd: string, wrapper: string[] = []) {
  const [first] = HOSTS;
  const launcher = [
    ...["mpirun.openmpi", "--host", HOSTS.map(({ address }) => `${address}:1`).join(), "-n", "2", "--bind-to", "none"],
    ...["--mca", "plm_rsh_agent", agent, "--mca", "btl", "tcp,self"],
    ...["btl_tcp_if_include", "oob_tcp_if_include"].flatMap((name) => ["--mca", name, "10.97.31.0/24"]),
    ...[...wrapper, Deno.execPath(), ...await taskArguments(task, args)],
  ];
  const named = `hostname ${first.namespace}; exec "$0" "$@"`;
  return new Deno.Command("ip", {
    args: ["netns", "exec", first.namespace, "unshare", "--uts", "sh", "-c", named, ...launcher],
    ...{ cwd, stdin: "null", stdout: "piped", stderr: "piped", env: ENVIRONMENT },
  }).spawn();
}

async function writeAgent(cwd: string): Promise<string> {
  const path = join(cwd, "agent.sh");
  const cases = HOSTS.map(({ namespace, address }) => `${address}) host=${namespace};;`).join(" ");
  await Deno.writeTextFile(
    path,
    `#!/bin/sh\ncase "$1" in ${cases} *) exit 1;; esac\nshift\n` +
      `exec ip netns exec $host unshare --uts sh -c "hostname $host; $*"\n`,
    { mode: 0o755 },
  );
  return path;
}

const allowed = await makeHosts();
await removeHosts();
if (!allowed) console.log("Not tried: MPI between network namespaces, which needs root, iproute2 and mpirun.openmpi.");

Deno.test({
  name: "ranks on two hosts train as one does, and a host whose rank is killed ends the job",
  ignore: !allowed,
  fn: () =>
    inPointsFolder(async (cwd) => {
      try {
        ok(await makeHosts());
        const agent = await writeAgent(cwd);
        const alone = await runTask("train:2d", [...POINTS, "--out", "alone"], cwd);
        equal(alone.code, 0, alone.stderr);
        const both = await finished(await startOnHosts(agent, "train:2d", [...POINTS, "--out", "two"], cwd));
        equal(both.code, 0, both.errors);
        await requireSameRun(join(cwd, "two"), join(cwd, "alone"), 1e-4);
        // That the ranks talked by the wire.
        const counters = `/sys/class/net/${HOSTS[1].device}/statistics/rx_bytes`;
        const read = new Deno.Command("ip", { args: ["netns", "exec", HOSTS[1].namespace, "cat", counters] });
        ok(Number(new TextDecoder().decode((await read.output()).stdout)) > 1e5);

        const note = `echo $$ > ${cwd}/pid-$OMPI_COMM_WORLD_RANK; exec "$0" "$@"`;
        const long = [...POINTS, "--epochs", "1000000", "--out", "long"];
        const job = await startOnHosts(agent, "train:2d", long, cwd, ["sh", "-c", note]);
        const ended = finished(job);
        await untilEpoch(join(cwd, "long"), 1, job);
        Deno.kill(Number(await Deno.readTextFile(join(cwd, "pid-1"))), "SIGKILL");
        const { code, errors } = await ended;
        ok(code !== 0, errors);
        ok((await loadCheckpoint((await latestCheckpoint(join(cwd, "long")))!)).epoch >= 1);
      } finally {
        await removeHosts();
      }
    }),
});
