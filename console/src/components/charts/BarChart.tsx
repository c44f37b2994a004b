import { ColorSwatch, Group, Paper, Text, Title, useComputedColorScheme } from "@mantine/core";
import { useEffect, useId, useRef } from "react";
import { count } from "../../text/numbers";
import type { Bars } from "./draw";

interface BarChartProps {
  title: string;
  /** What one bar is: the head of the first column for screen readers. */
  period: string;
  bars: Bars;
}

/** Stacked bars with their totals. Screen readers get the same figures as a table. */
export function BarChart({ title, period, bars }: BarChartProps) {
  const id = useId();
  const canvas = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme("light");
  const key = JSON.stringify(bars);
  useEffect(() => {
    let remove = () => {};
    let isGone = false;
    void import("./draw").then(({ draw }) => {
      if (!isGone && canvas.current) remove = draw(canvas.current, JSON.parse(key) as Bars);
    });
    return () => {
      isGone = true;
      remove();
    };
    // A canvas does not follow the theme by itself.
  }, [key, scheme]);
  return (
    <Paper withBorder p="md" component="section" aria-labelledby={id}>
      <Title order={2} size="h5" id={id}>
        {title}
      </Title>
      <Group gap="md" mb="xs" component="ul" pl={0}>
        {bars.layers.map(({ label, color, values }) => (
          <Group key={label} gap={6} component="li" style={{ listStyle: "none" }}>
            <ColorSwatch color={`var(${color})`} size={12} withShadow={false} aria-hidden />
            <Text size="sm">
              {label} <b>{count(values.reduce((sum, value) => sum + value, 0))}</b>
            </Text>
          </Group>
        ))}
      </Group>
      <div ref={canvas} aria-hidden style={{ height: 200, overflow: "hidden" }} />
      <BarTable title={title} period={period} bars={bars} />
    </Paper>
  );
}

function BarTable({ title, period, bars }: BarChartProps) {
  return (
    <div className="visually-hidden">
      <table aria-label={title}>
        <thead>
          <tr>
            <th scope="col">{period}</th>
            {bars.layers.map(({ label }) => (
              <th key={label} scope="col">
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {bars.labels.map((label, index) => (
            <tr key={`${index} ${label}`}>
              <th scope="row">{label}</th>
              {bars.layers.map((layer) => (
                <td key={layer.label}>{layer.values[index]}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
