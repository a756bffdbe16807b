/** A page of a headless Chromium. */
export interface BrowserPage {
  /** Opens a URL and waits until it is loaded. */
  open(url: string): Promise<void>;
  /** The value of an expression in the page; a promise is awaited. */
  evaluate<T>(expression: string): Promise<T>;
  /** Waits until an expression is true. */
  until(expression: string): Promise<void>;
  /** Calls a method of the DevTools protocol. */
  send(method: string, params?: Record<string, unknown>): Promise<Record<string, unknown>>;
  /** What was asked of the network, besides the page itself and what it holds. */
  readonly requests: readonly string[];
  /** What the console shows of errors and warnings, blocked loads among them. */
  readonly errors: readonly string[];
}

/** The name of the program, none where it is not installed. */
export async function findChromium(): Promise<string | undefined> {
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    try {
      const { success } = await new Deno.Command(name, { args: ["--version"], stdout: "null", stderr: "null" })
        .output();
      if (success) return name;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return undefined;
}

const FLAGS = [
  ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update"],
  ...["--disable-background-networking", "--disable-sync", "--remote-debugging-port=0"],
];

/** Runs a test with a page of a browser of its own. */
export async function inChromium(program: string, test: (page: BrowserPage) => Promise<void>): Promise<void> {
  const profile = await Deno.makeTempDir();
  const browser = new Deno.Command(program, {
    args: [...FLAGS, `--user-data-dir=${profile}`, "about:blank"],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  try {
    const { address, drained } = await devTools(browser.stderr);
    const list = await (await fetch(`http://${new URL(address).host}/json/list`)).json();
    const { webSocketDebuggerUrl } = list.find(({ type }: { type: string }) => type === "page");
    const socket = new WebSocket(webSocketDebuggerUrl);
    await new Promise((resolve, reject) => [socket.onopen, socket.onerror] = [resolve, reject]);
    try {
      await test(await pageOf(socket));
    } finally {
      socket.send(JSON.stringify({ id: 0, method: "Browser.close" }));
      await browser.status;
      await drained;
    }
  } finally {
    try {
      browser.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await browser.status;
    await Deno.remove(profile, { recursive: true });
  }
}

/** The address that the browser says it listens on; the rest of what it says is dropped. */
async function devTools(stderr: ReadableStream<Uint8Array>): Promise<{ address: string; drained: Promise<unknown> }> {
  let said = "";
  const lines = stderr.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await lines.read();
    if (done) throw new Error(`Chromium did not start: ${said}`);
    said += value;
    const address = said.match(/ws:\/\/\S+/)?.[0];
    if (!address) continue;
    const drain = async () => {
      while (!(await lines.read()).done);
    };
    return { address, drained: drain() };
  }
}

async function pageOf(socket: WebSocket): Promise<BrowserPage> {
  const waiting = new Map<number, { resolve(value: Record<string, unknown>): void; reject(error: Error): void }>();
  const requests: string[] = [];
  const errors: string[] = [];
  let [id, loaded] = [0, () => {}];
  socket.onmessage = ({ data }) => {
    const { id, result, error, method, params } = JSON.parse(data);
    if (error) waiting.get(id)?.reject(new Error(error.message));
    else waiting.get(id)?.resolve(result);
    waiting.delete(id);
    if (method === "Page.loadEventFired") loaded();
    if (method === "Network.requestWillBeSent" && !/^(data|blob):/.test(params.request.url)) {
      if (params.type !== "Document") requests.push(params.request.url);
    }
    if (method === "Runtime.exceptionThrown") {
      errors.push(params.exceptionDetails.exception?.description ?? "exception");
    }
    if (method === "Log.entryAdded" && params.entry.level !== "verbose") errors.push(params.entry.text);
    if (method === "Runtime.consoleAPICalled" && ["error", "warning", "assert"].includes(params.type)) {
      errors.push(params.args.map((arg: { value?: unknown }) => arg.value).join(" "));
    }
  };
  const send: BrowserPage["send"] = (method, params = {}) =>
    new Promise((resolve, reject) => {
      waiting.set(++id, { resolve, reject });
      socket.send(JSON.stringify({ id, method, params }));
    });
  const evaluate = async <T>(expression: string): Promise<T> => {
    const answer = await send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    const { result, exceptionDetails } = answer as {
      result: { value: T };
      exceptionDetails?: { exception?: { description: string } };
    };
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? "The page threw.");
    return result.value;
  };
  for (const domain of ["Page", "Network", "Runtime", "Log"]) await send(`${domain}.enable`);
  return {
    requests,
    errors,
    send,
    evaluate,
    async open(url) {
      const done = new Promise<void>((resolve) => loaded = resolve);
      await send("Page.navigate", { url });
      await done;
    },
    async until(expression) {
      // The page itself looks at every frame.
      const look = `new Promise((resolve) => {
        const look = () => (${expression}) ? resolve() : requestAnimationFrame(look);
        look();
      })`;
      await evaluate(look);
    },
  };
}
