/** The grid answer of a large job: most leaves hold two states, as they do while a job runs. */

const LEAF = 250;

/** One leaf: succeeded tasks with failed ones in between, two states and a bit a task. */
function leafOf(number: number, tasks: number): Buffer {
  const bits = Buffer.alloc(Math.ceil(tasks / 8));
  for (let task = 0; task < tasks; task += 1) {
    if ((number * LEAF + task) % 97 === 0) bits[task >> 3] = (bits[task >> 3] ?? 0) | (1 << (task & 7));
  }
  return Buffer.concat([Buffer.from([0b001100]), bits]);
}

/** The whole answer for `total` tasks. */
export function gridOf(total: number): Buffer {
  const leaves = Math.ceil(total / LEAF);
  const failed = Math.ceil(total / 97);
  const header = Buffer.from(
    JSON.stringify({
      gen: 1,
      total,
      leaf_size: LEAF,
      version: "v1",
      complete: true,
      leaves: [[0, leaves]],
      running: [],
      running_total: 0,
      counts: {
        pending: 0,
        running: 0,
        retrying: 0,
        succeeded: total - failed,
        failed,
        cancelled: 0,
        skipped: 0,
      },
    }),
  );
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  const blocks = Array.from({ length: leaves }, (_, number) =>
    leafOf(number, Math.min(LEAF, total - number * LEAF)),
  );
  return Buffer.concat([length, header, ...blocks]);
}
