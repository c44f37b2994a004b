// The running program: a process, an address and the password of the demo's users.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");
export const PYTHON = process.env.IBIKI_PYTHON ?? join(ROOT, ".venv/bin/python");
const START_MILLISECONDS = 110_000;
const KEPT = ["PATH", "HOME", "LANG", "TMPDIR"];

export class Program {
  readonly directory = mkdtempSync(join(tmpdir(), "ibiki-console-"));
  private process: ChildProcess | null = null;

  private constructor(
    readonly port: number,
    private readonly settings: Record<string, string>,
  ) {}

  static async start(settings: Record<string, string> = {}): Promise<Program> {
    const program = new Program(await freePort(), settings);
    await program.up();
    return program;
  }

  get address(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get password(): string {
    return readFileSync(join(this.directory, "demo-password"), "utf8").trim();
  }

  get simulator(): string {
    return readFileSync(join(this.directory, "simulator.url"), "utf8").trim();
  }

  /** Starts the program again, at the same address and with the same data. */
  async up(): Promise<void> {
    const environment = Object.fromEntries(KEPT.map((name) => [name, process.env[name] ?? ""]));
    const started = spawn(
      PYTHON,
      ["-m", "ibiki", "up", "--data", this.directory, "--port", String(this.port)],
      { cwd: ROOT, env: { ...environment, LOOPBACK_ONLY: "true", ...this.settings } },
    );
    this.process = started;
    let printed = "";
    await new Promise<void>((done, fail) => {
      const timer = setTimeout(() => fail(new Error(`It does not start:\n${printed}`)), START_MILLISECONDS);
      const read = (chunk: Buffer) => {
        printed += chunk.toString();
        if (!printed.includes("is up at")) return;
        clearTimeout(timer);
        done();
      };
      started.stdout?.on("data", read);
      started.stderr?.on("data", read);
      started.on("exit", () => fail(new Error(`It has ended:\n${printed}`)));
    });
  }

  async down(): Promise<void> {
    const running = this.process;
    if (!running || running.exitCode !== null) return;
    const ended = new Promise((done) => running.once("exit", done));
    running.kill("SIGINT");
    await ended;
  }

  async remove(): Promise<void> {
    await this.down();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Not of the range that the system gives to connections: one of the page's could get it during a restart. */
function freePort(): Promise<number> {
  const port = 16_000 + Math.floor(Math.random() * 16_000);
  return new Promise((done, fail) => {
    const server = createServer()
      .once("error", () => freePort().then(done, fail))
      .listen(port, "127.0.0.1", () => server.close(() => done(port)));
  });
}
