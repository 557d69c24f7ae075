package holder

import "strings"

// withoutPostalCodes are the countries in which an address needs no postal code: those whose form of an address has none in
// Google's libaddressinput (RegionDataConstants), and North Korea, whose form there has a place for a code that it does not require. All
// others need one here, also those of which it requires none.
const withoutPostalCodes = "AE AG AO AQ AW BF BI BJ BO BQ BS BV BW BZ CD CF CG CI CK CM CW DJ DM ER FJ GA GD GH GM GQ GY HK JM KI KM KN KP LC LY " +
	"ML MO MR MS MW NR NU PA PS QA RW SB SC SL SR SS ST SX SY TD TF TG TK TL TO TV UG VU WS YE ZW"

// withoutHouseNumbers are the countries in which many addresses have no number: where the sheets of the Universal Postal Union
// ("Postal addressing systems") have a post office box, a quarter or a village instead of a number in the street, Ireland, where a third of the
// houses had none until Eircode, and those that nobody lives in.
const withoutHouseNumbers = "AE AG AI AO AQ BF BI BJ BV BW CD CF CG CI CK CM DJ DM ER ET FJ FK FM GA GD GH GM GN GQ GS GW HM IE IO JO KE KI KM KN LR LS " +
	"LY MH ML MR MS MW NA NE NF NR NU OM PG PN PW QA RW SB SC SD SH SL SN SO SS ST SZ TC TD TF TG TK TO TV TZ UG UM VC VG VU WS YE ZM ZW"

// hasPostalCodes reports whether an address of a country needs a postal code; one of no country does.
func hasPostalCodes(country string) bool {
	return country == "" || !strings.Contains(withoutPostalCodes, country)
}

// hasHouseNumbers reports whether an address of a country needs a house number; one of no country does.
func hasHouseNumbers(country string) bool {
	return country == "" || !strings.Contains(withoutHouseNumbers, country)
}
