/* Runs in the page: draws the charts from the figures that the page carries. Plain script, no module; `uPlot` stands before it. */
(function draw() {
  'use strict';
  const run = JSON.parse(document.getElementById('figures').textContent);
  const colors = ['#2f6fdb', '#d9622b', '#2a9d5c', '#a24bb5', '#c79a00', '#5c6b73', '#c2334d'];
  const heightPx = 320;

  const precise = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2)).replace(/\.0+$/, '');
  const steps = (value, names, base) => {
    let at = 0;
    let left = value;
    while (Math.abs(left) >= base && at < names.length - 1) {
      left /= base;
      at += 1;
    }
    return precise(left) + names[at];
  };
  const shown = {
    bytes: (value) => steps(value, [' B', ' kB', ' MB', ' GB'], 1000),
    'bytes/s': (value) => steps(value, [' B/s', ' kB/s', ' MB/s', ' GB/s'], 1000),
    us: (value) => steps(value, [' us', ' ms', ' s'], 1000),
    ms: (value) => (value >= 1000 ? precise(value / 1000) + ' s' : precise(value) + ' ms'),
    percent: (value) => precise(value) + ' %',
  };
  const show = (unit) => (value) => (value === null || value === undefined ? '' : (shown[unit] || ((one) => steps(one, ['', ' k', ' M', ' G'], 1000)))(value));

  // Shares near 100 % are drawn out: 90, 99, 99.9 and 99.99 % lie equally far apart.
  const drawnOut = (percent) => -Math.log10(1 - Math.min(percent, 99.999) / 100);
  const percentTicks = [0, 50, 90, 99, 99.9, 99.99];

  function aligned(chart) {
    const isPercent = chart.x.unit === 'percent';
    const place = (x) => (isPercent ? drawnOut(x) : x);
    const good = (value, axis) => Number.isFinite(value) && (axis.scale !== 'log' || value > 0);
    const lines = chart.lines.map((line) => new Map(line.points.filter(([x, y]) => good(x, chart.x) && good(y, chart.y)).map(([x, y]) => [place(x), y])));
    const xs = [...new Set(lines.flatMap((line) => [...line.keys()]))].sort((left, right) => left - right);
    return [xs, ...lines.map((line) => xs.map((x) => (line.has(x) ? line.get(x) : null)))];
  }

  function drawOne(place) {
    const chart = run.sections[Number(place.dataset.section)].charts[Number(place.dataset.chart)];
    const data = aligned(chart);
    if (data[0].length === 0) {
      place.textContent = 'Nothing was measured here.';
      return;
    }
    const ink = getComputedStyle(document.body).color;
    const grid = { stroke: 'rgba(128,128,128,0.18)', width: 1 };
    const isPercent = chart.x.unit === 'percent';
    const showX = isPercent ? (value) => precise(100 * (1 - 10 ** -value)) + ' %' : show(chart.x.unit);
    const axis = (about, extra) => ({ stroke: ink, grid, ticks: grid, label: about.label, ...extra });
    const xAxis = axis(chart.x, isPercent ? { splits: () => percentTicks.map(drawnOut), values: (_, ticks) => ticks.map((tick) => precise4(100 * (1 - 10 ** -tick)) + ' %') } : { ...(chart.x.scale === 'log' && data[0].length <= 8 ? { splits: () => data[0] } : {}), values: (_, ticks) => ticks.map((tick) => (tick === null ? null : show(chart.x.unit)(tick))), filter: (_, splits) => splits });
    const yAxis = axis(chart.y, { size: 90, values: (_, ticks) => ticks.map((tick) => (tick === null ? null : show(chart.y.unit)(tick))) });
    const log = (about) => (about.scale === 'log' ? { distr: 3 } : {});
    const plot = new window.uPlot(
      {
        width: Math.max(320, place.clientWidth),
        height: heightPx,
        scales: { x: { time: false, ...(isPercent ? {} : log(chart.x)) }, y: { ...log(chart.y), ...(chart.y.scale === 'linear' ? { range: (_, __, max) => [0, max > 0 ? max * 1.08 : 1] } : {}) } },
        axes: [xAxis, yAxis],
        legend: { live: true },
        series: [
          { label: chart.x.label, value: (_, value) => (value === null ? '' : showX(value)) },
          ...chart.lines.map((line, index) => ({
            label: line.name,
            stroke: colors[index % colors.length],
            width: 2,
            spanGaps: true,
            points: { show: data[0].length <= 40, size: 6 },
            value: (_, value) => show(chart.y.unit)(value),
          })),
        ],
      },
      data,
      place,
    );
    new ResizeObserver(() => plot.setSize({ width: Math.max(320, place.clientWidth), height: heightPx })).observe(place);
  }

  function precise4(value) {
    return String(Math.round(value * 10000) / 10000);
  }

  for (const place of document.querySelectorAll('[data-chart]')) drawOne(place);
  document.documentElement.dataset.drawn = String(document.querySelectorAll('.uplot').length);
})();
