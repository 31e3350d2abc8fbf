#!/usr/bin/env python3
"""Draws the panels of the chart's dashboards from what a Prometheus knows: docs/images/dashboard-*.png.

It is no Grafana: it reads the dashboards' JSON, asks the queries that are in it, and draws lines, single numbers and
tables with matplotlib (`pip install matplotlib`). `make pictures` calls it.
"""

import argparse
import datetime
import json
import math
import pathlib
import re
import textwrap
import time
import urllib.parse
import urllib.request

import matplotlib

matplotlib.use("Agg")
import matplotlib.dates
import matplotlib.pyplot as plt
import matplotlib.ticker

ROOT = pathlib.Path(__file__).resolve().parent.parent
WIDTH, CELL, GAP, MARGIN = 1600, 38, 8, 16
INK, FAINT, LINE, GROUND = "#1f2328", "#656d76", "#d8dee4", "#f3f4f6"
COLOURS = ["#1f77b4", "#e07b00", "#2a9d4b", "#c62828", "#7b52ab", "#8d6e63", "#d14b9c", "#5f6b7a", "#9a9a00", "#0097a7"]
CAPTION = (
    "Drawn by tools/draw-dashboards.py from the dashboard's own queries, asked of a Prometheus that scraped Tailor on a real "
    "Kubernetes 1.37 control plane with simulated Nodes. Not a screenshot of Grafana."
)


def ask(url, path, **parameters):
    query = urllib.parse.urlencode(parameters)
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{query}") as answer:
        return json.load(answer)["data"]["result"]


def scaled(value, unit):
    """A number with its unit, as short as it can be read."""
    if value is None or math.isnan(value):
        return "-"
    sign, size = ("-" if value < 0 else ""), abs(value)
    if unit == "bytes":
        for suffix in ("B", "KiB", "MiB", "GiB", "TiB"):
            if size < 1024 or suffix == "TiB":
                return f"{sign}{size:.3g} {suffix}" if size < 1000 else f"{sign}{size:.0f} {suffix}"
            size /= 1024
    if unit == "s":
        if size == 0:
            return "0 s"
        if size < 1:
            return f"{sign}{size * 1000:.3g} ms"
        return f"{sign}{size:.3g} s" if size < 120 else f"{sign}{size / 60:.3g} min"
    if unit == "percentunit":
        return f"{sign}{size * 100:.3g} %"
    suffix = {"suffix: cores": " cores", "reqps": " req/s"}.get(unit, "")
    return f"{sign}{size:.3g}{suffix}" if size < 1000 else f"{sign}{size:,.0f}{suffix}"


def named(series, legend):
    labels = series["metric"]
    if not legend:
        return ", ".join(f"{name}={value}" for name, value in labels.items())
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda name: labels.get(name[1], ""), legend)


class Board:
    def __init__(self, path, options):
        self.name = path.stem
        self.json = json.loads(path.read_text())
        self.options = options
        self.end = time.time()
        self.start = self.end - options.minutes * 60
        self.step = max(1, options.minutes * 60 // 400)

    def filled(self, expr):
        chosen = dict(entry.split(".", 1)[1].split("=", 1) for entry in self.options.set if entry.startswith(self.name + "."))
        expr = expr.replace("$__rate_interval", f"{max(30, 4 * self.step)}s").replace("$__range", f"{self.options.minutes}m")
        return re.sub(r"\$([a-z]+)", lambda name: chosen.get(name[1], ".*"), expr)

    def draw(self, into):
        panels = [panel for panel in self.json["panels"] if panel["type"] != "row"]
        rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
        head, foot = 54, 40
        height = head + rows * CELL + foot
        figure = plt.figure(figsize=(WIDTH / 100, height / 100), dpi=100, facecolor=GROUND)
        self.figure, self.height = figure, height
        figure.text(MARGIN / WIDTH, 1 - 34 / height, self.json["title"], fontsize=17, weight="bold", color=INK)
        chosen = [entry.split(".", 1)[1] for entry in self.options.set if entry.startswith(self.name + ".")]
        if chosen:
            figure.text(1 - MARGIN / WIDTH, 1 - 32 / height, "   ".join(chosen), fontsize=11, color=FAINT, ha="right")
        caption = f"{CAPTION} {self.options.note}".strip()
        figure.text(MARGIN / WIDTH, 14 / height, caption, fontsize=8.5, color=FAINT)
        for panel in panels:
            self.panel(panel, head)
        path = into / f"dashboard-{self.name}.png"
        figure.savefig(path, dpi=100, facecolor=GROUND, metadata={"Software": None})
        plt.close(figure)
        print(path)

    def area(self, left, top, width, height):
        """Axes by pixels from the upper left corner."""
        return self.figure.add_axes(
            (left / WIDTH, 1 - (top + height) / self.height, width / WIDTH, height / self.height)
        )

    def panel(self, panel, head):
        grid, column = panel["gridPos"], (WIDTH - 2 * MARGIN + GAP) / 24
        left, top = MARGIN + grid["x"] * column, head + grid["y"] * CELL
        width, height = grid["w"] * column - GAP, grid["h"] * CELL - GAP
        card = self.area(left, top, width, height)
        card.set(xticks=[], yticks=[], facecolor="white")
        card.spines[:].set_color(LINE)
        card.text(10 / width, 1 - 20 / height, panel["title"], fontsize=10.5, weight="bold", color=INK, transform=card.transAxes)
        inner = (left, top + 26, width, height - 26)
        getattr(self, panel["type"])(panel, inner)

    def stat(self, panel, inner):
        target, defaults = panel["targets"][0], panel["fieldConfig"]["defaults"]
        result = ask(self.options.prometheus, "query", query=self.filled(target["expr"]), time=self.end)
        value = float(result[0]["value"][1]) if result else None
        steps = [step for step in defaults["thresholds"]["steps"] if step["value"] is None or (value or 0) >= step["value"]]
        colour = {"green": "#1a7f37", "red": "#c62828"}[steps[-1]["color"]]
        axes = self.area(*inner)
        axes.axis("off")
        text = scaled(value, defaults["unit"])
        size = min(21, inner[2] * 0.95 / len(text))
        axes.text(0.5, 0.52, text, fontsize=size, color=colour, ha="center", va="center")

    def timeseries(self, panel, inner):
        left, top, width, height = inner
        series = []
        for target in panel["targets"]:
            times = dict(start=self.start, end=self.end, step=self.step)
            for found in ask(self.options.prometheus, "query_range", query=self.filled(target["expr"]), **times):
                series.append((named(found, target.get("legendFormat")), found["values"]))
        series = [(name, values) for name, values in series if any(value != "NaN" for _, value in values)]
        unit, custom = panel["fieldConfig"]["defaults"]["unit"], panel["fieldConfig"]["defaults"]["custom"]
        stacked = custom["stacking"]["mode"] == "normal"
        if stacked:
            # Those that are there most lie at the bottom, and those that are not there at all are left out.
            series = [line for line in series if any(float(value) > 0 for _, value in line[1])]
            series = sorted(series, key=lambda line: -sum(float(value) for _, value in line[1]))
        legend = 18 * min(4, math.ceil(sum(len(name) * 6.6 + 36 for name, _ in series) / (width - 30))) + 4
        axes = self.area(left + 84, top + 4, width - 100, height - 32 - legend)
        ground = {}
        for number, (name, values) in enumerate(series):
            colour = COLOURS[number % len(COLOURS)]
            at = [datetime.datetime.fromtimestamp(float(when), datetime.timezone.utc) for when, _ in values]
            numbers = [float(value) for _, value in values]
            if stacked:
                base = [ground.get(when, 0.0) for when in at]
                numbers = [low + more for low, more in zip(base, numbers)]
                axes.fill_between(at, base, numbers, color=colour, alpha=0.5, linewidth=0, step="post")
                ground.update(zip(at, numbers))
            at, numbers = with_gaps(at, numbers, self.step)
            dashed = "--" if re.search(r"\b(limit|upper|lower|by the templates)$", name) else "-"
            axes.plot(at, numbers, dashed, color=colour, linewidth=1.4, label=name, drawstyle="steps-post")
        begin, end = (datetime.datetime.fromtimestamp(t, datetime.timezone.utc) for t in (self.start, self.end))
        axes.set_xlim(begin, end)
        self.scale(axes, panel["fieldConfig"]["defaults"].get("min") == 0, unit)
        axes.xaxis.set_major_locator(matplotlib.dates.MinuteLocator(interval=max(1, self.options.minutes // 6)))
        axes.xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%H:%M"))
        axes.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: scaled(value, unit)))
        axes.tick_params(labelsize=8.5, colors=FAINT, length=0)
        axes.grid(color=LINE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[:].set_visible(False)
        self.legend(axes, series, (left, top + height - legend - 2, width, legend))

    def scale(self, axes, from_zero, unit):
        """Ticks at round numbers, with room above the highest line."""
        low, high = axes.dataLim.y0, axes.dataLim.y1
        if not (math.isfinite(low) and math.isfinite(high)):
            low, high = 0.0, 1.0
        low = 0.0 if from_zero else low
        room = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
        axes.set_ylim(low if from_zero else low - room, high + room)
        if unit == "bytes":
            step = 2 ** math.ceil(math.log2((high + room - low) / 5))
            axes.yaxis.set_major_locator(matplotlib.ticker.MultipleLocator(step))
        elif unit == "s" and high + room > 120:
            axes.yaxis.set_major_locator(matplotlib.ticker.MultipleLocator(60 * math.ceil((high + room) / 300)))
        else:
            axes.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(5))

    def legend(self, axes, series, inner):
        """In rows from left to right, as far as there is room."""
        left, top, width, height = inner
        place = self.area(left, top, width, height)
        place.axis("off")
        place.set(xlim=(0, width), ylim=(height, 0))
        x, y = 12, 8
        for number, (name, _) in enumerate(series):
            wide = len(name) * 6.6 + 36
            if x + wide > width and x > 12:
                x, y = 12, y + 18
            if y + 4 > height:
                break
            place.plot([x, x + 14], [y, y], color=COLOURS[number % len(COLOURS)], linewidth=2.5)
            place.text(x + 19, y, name, fontsize=8.5, color=INK, va="center")
            x += wide

    def table(self, panel, inner):
        left, top, width, height = inner
        organize = panel["transformations"][0]["options"]
        hidden, renamed, order = (organize[key] for key in ("excludeByName", "renameByName", "indexByName"))
        result = ask(self.options.prometheus, "query", query=self.filled(panel["targets"][0]["expr"]), time=self.end)
        names = {name for found in result for name in found["metric"]} | {"Value"}
        names = sorted((name for name in names if name not in hidden), key=lambda name: order.get(name, 99))
        rows = [[dict(found["metric"], Value=float(found["value"][1])).get(name, "") for name in names] for found in result]
        for sort in panel["options"].get("sortBy", []):
            column = [renamed.get(name, name) for name in names].index(sort["displayName"])
            rows.sort(key=lambda row: row[column], reverse=sort["desc"])
        axes = self.area(left, top, width, height)
        axes.axis("off")
        axes.set(xlim=(0, width), ylim=(height, 0))
        longest = [max(len(str(cell)) for cell in column) for column in zip([renamed.get(name, name) for name in names], *rows)]
        share = [1.0 + 0.06 * min(34, length) for length in longest]
        edges = [12 + (width - 24) * sum(share[:i]) / sum(share) for i in range(len(share) + 1)]
        room = int((height - 34) // 20)
        if len(rows) > room:
            room -= 1
        unit = panel["fieldConfig"]["defaults"]["unit"]
        for line, row in enumerate([[renamed.get(name, name) for name in names]] + rows[:room]):
            y = 14 + line * 20
            axes.plot([10, width - 10], [y + 10, y + 10], color=LINE, linewidth=0.6)
            for column, cell in enumerate(row):
                text = scaled(cell, unit) if isinstance(cell, float) else str(cell)
                number = names[column] == "Value"
                axes.text(
                    edges[column + 1] - 4 if number else edges[column], y, text, fontsize=9, va="center",
                    ha="right" if number else "left", color=FAINT if line == 0 else INK,
                )
        if len(rows) > room:
            axes.text(12, 14 + (room + 1) * 20, f"and {len(rows) - room} more", fontsize=9, color=FAINT, va="center")


def with_gaps(at, numbers, step):
    """Where nothing was measured, no line is drawn."""
    whole = ([], [])
    for number, (when, value) in enumerate(zip(at, numbers)):
        if number and (when - at[number - 1]).total_seconds() > 1.5 * step:
            whole[0].append(at[number - 1] + datetime.timedelta(seconds=step))
            whole[1].append(math.nan)
        whole[0].append(when)
        whole[1].append(value)
    return whole


def main():
    parser = argparse.ArgumentParser(description=textwrap.dedent(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prometheus", required=True, help="its address, such as http://127.0.0.1:9090")
    parser.add_argument("--minutes", type=int, default=60, help="how much time is shown, up to now")
    parser.add_argument("--into", type=pathlib.Path, default=ROOT / "docs/images", help="where the pictures go")
    parser.add_argument("--note", default="", help="what else there is to know of what is drawn")
    parser.add_argument("--set", action="append", default=[], metavar="BOARD.VARIABLE=VALUE", help="a variable of a board; else all")
    options = parser.parse_args()
    plt.rcParams["font.family"] = "DejaVu Sans"
    for path in sorted((ROOT / "charts/tailor/dashboards").glob("*.json")):
        Board(path, options).draw(options.into)


if __name__ == "__main__":
    main()
