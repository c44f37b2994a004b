import { cpus, loadavg } from "node:os";

/** With other work on the machine, a time says nothing about the page. */
export const isBusy = () => (loadavg()[0] ?? 0) > cpus().length / 2;
