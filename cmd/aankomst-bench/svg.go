package main

import (
	"encoding/xml"
	"fmt"
	"math"
)

// element is an element of an SVG document.
type element struct {
	XMLName    xml.Name
	Attributes []xml.Attr `xml:",any,attr"`
	Text       string     `xml:",chardata"`
	Children   []element  `xml:",any"`
}

// node makes an element; attributes are names and values in turn.
func node(name string, attributes ...any) element {
	e := element{XMLName: xml.Name{Local: name}}
	for i := 0; i+1 < len(attributes); i += 2 {
		value := fmt.Sprint(attributes[i+1])
		if number, ok := attributes[i+1].(float64); ok {
			value = fmt.Sprintf("%.1f", number)
		}
		e.Attributes = append(e.Attributes, xml.Attr{Name: xml.Name{Local: fmt.Sprint(attributes[i])}, Value: value})
	}
	return e
}

// text makes a line of text.
func text(x, y float64, size int, anchor, colour, words string) element {
	e := node("text", "x", x, "y", y, "font-size", size, "text-anchor", anchor, "fill", colour)
	e.Text = words
	return e
}

// bar is one bar, group several that stand together.
type bar struct {
	value float64
	// words stand above it; series is which of the panel's it belongs to.
	words  string
	series int
}

type group struct {
	name string
	bars []bar
}

// panel is a bar chart.
type panel struct {
	title, unit string
	series      []string
	groups      []group
}

const (
	ink   = "#1b1f24"
	faint = "#5b6470"
	grid  = "#dfe3e8"
)

// colours are those of a panel's series; they can also be told apart in grey.
var colours = []string{"#1f5fa8", "#e08a1e", "#8fbf6a", "#9a5fb0"}

// draw draws a panel in a place of the document.
func (p panel) draw(x, y, width, height float64) []element {
	const left, right, top, bottom = 62, 12, 66, 34
	plotX, plotY := x+left, y+top
	plotWidth, plotHeight := width-left-right, height-top-bottom
	drawn := []element{text(x, y+18, 16, "start", ink, p.title)}
	at := x
	for i, name := range p.series {
		drawn = append(drawn, node("rect", "x", at, "y", y+31, "width", 11.0, "height", 11.0, "fill", colours[i]), text(at+16, y+41, 12, "start", ink, name))
		at += 32 + 6.1*float64(len(name))
	}
	highest := 0.0
	for _, g := range p.groups {
		for _, b := range g.bars {
			highest = max(highest, b.value)
		}
	}
	step := niceStep(highest)
	// With room above the highest for its words.
	scale := plotHeight / (step * math.Ceil(max(1.06*highest, step)/step))
	for value := 0.0; value*scale <= plotHeight+0.5; value += step {
		level := plotY + plotHeight - value*scale
		drawn = append(drawn, node("line", "x1", plotX, "x2", plotX+plotWidth, "y1", level, "y2", level, "stroke", grid),
			text(plotX-6, level+4, 11, "end", faint, axisNumber(value)))
	}
	unit := text(x+12, plotY+plotHeight/2, 12, "middle", faint, p.unit)
	unit.Attributes = append(unit.Attributes, xml.Attr{Name: xml.Name{Local: "transform"},
		Value: fmt.Sprintf("rotate(-90 %.1f %.1f)", x+12, plotY+plotHeight/2)})
	drawn = append(drawn, unit)
	share := plotWidth / float64(len(p.groups))
	for i, g := range p.groups {
		middle := plotX + share*(float64(i)+0.5)
		wide := min(58, share*0.84/float64(len(g.bars)))
		from := middle - wide*float64(len(g.bars))/2
		for j, b := range g.bars {
			high := b.value * scale
			drawn = append(drawn, node("rect", "x", from+wide*float64(j)+2, "y", plotY+plotHeight-high, "width", wide-4, "height", high, "fill", colours[b.series]),
				text(from+wide*(float64(j)+0.5), plotY+plotHeight-high-5, 11, "middle", ink, b.words))
		}
		drawn = append(drawn, text(middle, plotY+plotHeight+20, 13, "middle", ink, g.name))
	}
	return append(drawn, node("line", "x1", plotX, "x2", plotX+plotWidth, "y1", plotY+plotHeight, "y2", plotY+plotHeight, "stroke", ink))
}

// niceStep returns a step of 1, 2 or 5 by a power of ten that divides an axis into four to ten.
func niceStep(highest float64) float64 {
	if highest <= 0 {
		return 1
	}
	step := math.Pow(10, math.Floor(math.Log10(highest)))
	for _, part := range []float64{1, 0.5, 0.2} {
		if highest/(step*part) >= 4 {
			return step * part
		}
	}
	return step / 10
}

// axisNumber writes a value of an axis.
func axisNumber(value float64) string {
	if value >= 1000 {
		return number(value)
	}
	return fmt.Sprintf("%.4g", value)
}
