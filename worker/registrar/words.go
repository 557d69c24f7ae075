package registrar

import "strings"

// isGeneric knows words that are parts of many names, companies, streets and addresses. Alone they tell nobody apart.
func isGeneric(word string) bool {
	const generic = ` straat straße strasse street laan lane weg road plein square kade gracht singel avenue boulevard allee
 chaussée chaussee steenweg chemin rue place dreef hof park dijk noord zuid oost west north south east saint sainte sint santa
 grote kleine lange korte nieuwe oude upper lower great high stad dorp city bad aan aan den der des van von vander vanden
 de het the and und les los las del della dalla over onder boven bij naar zur zum
 bakkerij slagerij bouw bouwbedrijf bedrijf bureau winkel beheer holding group groep gmbh limited ltd inc corp company
 compagnie services service solutions media design online digital internet hosting web webshop shop domain domains registrar
 consult consultancy consulting advies trading handel international nederland netherlands belgium belgie belgië europe
 stichting vereniging foundation
 info mail admin contact office sales support hello webmaster hostmaster postmaster noreply klant customer billing
 `
	word = strings.ToLower(word)
	return isOrdinary(word) || listed(generic, word)
}

// isOrdinary knows words that the upstream needs to say anything. Where they are somebody's name as well, they are hidden
// only as that person writes them.
func isOrdinary(word string) bool {
	const ordinary = ` a an and any are as at be been before but by can cannot could did do does done for from get go got had has
 have he her his how if in into is it its last may me more must my name names new next no none nor not now of off ok on once one
 only or other our out over per so still such than that the their them then there these they this to too two up us was we were
 what when where which who why will with would yes you your yet
 nl be de eu fr lu uk us at it es com net org
 january february march april june july august september october november december max min maximum mark bill grace rate note long
 short old new good best case black white first second third
 aan al als bij dan dat deze die dit door een en er ge geen had heeft het hij hun ik in is ja je kan maar men met mijn moet na naar
 nee niet nog of om onder ons ook op over te tot uit van veel voor was wat we wel wij wordt zal ze zich zij zijn zo
 accepted accepts account action active address already amount api available bad balance before billing blocked call check city
 client code company contact contract country credit data database date day days delete deleted domain domains due email error
 exist exists expired failed field fields first firstname format found free funds holder holders host hour hours house id invalid
 insufficient item items internal known lastname limit list mail maximum message minimum missing month months nameserver
 nameservers number object ongeldig onbekend order owner page pending period phone post postal postalcode premium price
 processing quarantine queued refused register registered registrar registrant registration registry reject rejected request
 required reserved result retry scheduled secret server service state status street success system taken tax temporarily time
 timeout token transfer try unavailable unknown unpaid update user valid validation value vat wait whois year years zip zone
 `
	return listed(ordinary, word)
}

func listed(words, word string) bool {
	for {
		at := strings.Index(words, word)
		if at < 0 || word == "" {
			return false
		}
		end := at + len(word)
		if at > 0 && (words[at-1] == ' ' || words[at-1] == '\n') && end < len(words) && (words[end] == ' ' || words[end] == '\n') {
			return true
		}
		words = words[at+1:]
	}
}

// isExplaining knows further words with which an upstream explains something. They are somebody's name as often as not, but where
// nobody can know how a name is spelled, they are what stays readable.
func isExplaining(word string) bool {
	const explaining = ` cannot serve today tomorrow about above after again against all allow allowed also although always another answer around
 because below between both busy call caller cause certificate changed character characters check checked close closed command complete completed
 connection contains content correct could created currently dns does done during each either empty enough entry error errors ever every exceeded
 expected failure few file following forbidden found give given greater group header however human idn ignored in inactive incorrect incomplete
 instead insufficient json known language later least left length less level locked long longer lower many matches mandatory maintenance mode most
 much must near need needed needs never note nothing number occurred old once operation option options order others own parameter part per phone
 please policy possible problem process provided public quota range rate reached read ready reason received record records refuses related
 request reset resource response restricted return returned role run same see select send sent session several should show since size some
 something soon specified started step stop stored such support supported syntax text than thing think thread through timed too total under unable
 unauthorized unexpected unlock until unused used uses using valid value verification verified very waiting way week while without words work works wrong
 domein domeinnaam houder adres fout foutmelding geldig gegevens verplicht veld velden ontbreekt bestaat aanvraag geweigerd mislukt tijdelijk
 beschikbaar bezet registratie opnieuw probeer later betaling saldo onvoldoende telefoonnummer postcode huisnummer
 domaine titulaire adresse erreur invalide valide obligatoire champ manque existe pas disponible réservé paiement solde insuffisant le la les est une un
 fehler ungültig gültig inhaber adresse pflichtfeld fehlt nicht verfügbar vergeben guthaben der die das ist ein eine
 access authorization batch connect entity gateway interval minute minutes network proxy queue refresh route second seconds unprocessable
 andere antwoord antwoorden aanvragen bereikbaar contact controle controleer fouten gebruik gebruiker geregistreerd gereserveerd interne klantnummer
 lijst melden melding minuten plaats quarantaine reeds regel rekening seconden sleutel staat systeem toegang verlopen vragen waarde wacht wachten wachtwoord
 champs compte contacter delai enregistre requete reserve serveur temps valeur veuillez
 anfrage bereits bitte falsch gesperrt gultig interner konto registriert sekunden ungultig verfugbar warten zugang
 personal secret phone mail http https www
 `
	return listed(explaining, word)
}
