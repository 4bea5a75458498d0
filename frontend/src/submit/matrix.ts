/** How many combinations a matrix has, as far as this page can tell; the API decides. */
const RANGE = /^(-?\d+)\.\.(-?\d+)$/;

/** Values of one axis: a list, or a range such as "1..1000". Null where it is neither. */
export function valuesOf(axis: unknown): number | null {
  if (Array.isArray(axis)) return axis.length || null;
  const range = typeof axis === "string" ? RANGE.exec(axis) : null;
  if (!range) return null;
  const values = Number(range[2]) - Number(range[1]) + 1;
  return values > 0 ? values : null;
}

/** The product of all axes, or the name of the one that is wrong. */
export function combinations(matrix: Record<string, unknown>): number | { wrong: string } {
  let product = 1;
  for (const [name, axis] of Object.entries(matrix)) {
    const values = valuesOf(axis);
    if (values === null) return { wrong: name };
    product *= values;
  }
  return product;
}
