"""Words of number and time, which do not tell what a text is about. They are matched by their stems."""

from functools import lru_cache

from app.text.languages import stem_word

_MEASURE_WORDS = {
    "en": """
        zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
        seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand
        million billion trillion dozen half quarter third fourth fifth sixth seventh eighth ninth tenth twice
        double triple percent per cent number second minute hour day week weekend month year decade century
        monday tuesday wednesday thursday friday saturday sunday tonight tomorrow january february april june
        july august september october november december feb aug sept oct nov dec
    """,
    "de": """
        null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn
        siebzehn achtzehn neunzehn zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig hundert
        tausend million milliarde dutzend hälfte halb drittel dritte vierte fünfte doppelt prozent sekunde minute
        stunde tag woche wochenende monat jahr jahrzehnt jahrhundert gestern morgen abend montag dienstag
        mittwoch donnerstag freitag samstag sonnabend sonntag januar februar märz april mai juni juli august
        september oktober november dezember
    """,
    "fr": """
        zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize vingt
        trente quarante cinquante soixante cent mille million milliard dizaine douzaine vingtaine centaine
        millier moitié demi quart tiers troisième quatrième cinquième double pourcent nombre seconde minute heure
        jour journée semaine mois an année décennie siècle hier demain soir matin lundi mardi mercredi jeudi
        vendredi samedi dimanche janvier février avril juin juillet août septembre octobre novembre décembre
    """,
    "es": """
        cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis veinte
        treinta cuarenta cincuenta sesenta setenta ochenta noventa cien ciento doscientos mil millón millones
        millar decena docena mitad tercio tercero quinto doble número segundo minuto hora día semana año década
        siglo ayer mañana tarde noche lunes martes miércoles jueves viernes sábado domingo enero febrero marzo
        abril mayo junio julio agosto septiembre octubre noviembre diciembre
    """,
    "it": """
        zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici
        venti trenta quaranta cinquanta sessanta settanta ottanta novanta cento mille mila milione milioni
        miliardo miliardi decina decine dozzina centinaia migliaia quarto terzo quinto doppio numero secondo
        minuto minuti ora ore giorno settimana mese anno decennio secolo ieri domani sera lunedì martedì
        mercoledì giovedì venerdì sabato domenica gennaio febbraio marzo aprile maggio giugno luglio agosto
        settembre ottobre novembre dicembre
    """,
    "pt": """
        zero um dois duas três quatro cinco seis sete oito nove dez onze doze treze quatorze catorze quinze vinte
        trinta quarenta cinquenta sessenta setenta oitenta noventa cem cento duzentos mil milhão milhões bilhão
        bilhões milhar dezena dúzia metade terço terceiro quinto dobro número segundo minuto hora dia semana ano
        década século ontem amanhã tarde noite manhã segunda-feira terça-feira quarta-feira quinta-feira
        sexta-feira sábado domingo janeiro fevereiro março abril maio junho julho agosto setembro outubro
        novembro dezembro
    """,
    "nl": """
        nul een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien
        twintig dertig veertig vijftig zestig zeventig tachtig negentig honderd duizend miljoen miljard tiental
        dozijn helft half kwart derde vierde vijfde dubbel procent aantal seconde minuut minuten uur uren dag
        week weekend maand jaar decennium eeuw gisteren morgen avond maandag dinsdag woensdag donderdag vrijdag
        zaterdag zondag januari februari maart april mei juni juli augustus september oktober november december
    """,
    "sv": """
        noll ett två tre fyra fem sex sju åtta nio tio elva tolv tretton fjorton femton tjugo trettio fyrtio
        femtio sextio sjuttio åttio nittio hundra tusen miljon miljard hälften halv kvart tredje fjärde femte
        procent antal sekund minut timme timmar dag vecka veckor helg månad år decennium sekel igår imorgon kväll
        klockan måndag tisdag onsdag torsdag fredag lördag söndag januari februari april maj juni juli augusti
        september oktober november december
    """,
    "da": """
        nul en to tre fire fem seks syv otte ni ti elleve tolv tretten fjorten femten tyve tredive fyrre
        halvtreds tres hundrede tusind million milliard halvdelen halv kvart tredje fjerde femte procent antal
        sekund minut time timer dag uge uger weekend måned år årti århundrede går morgen aften klokken mandag
        tirsdag onsdag torsdag fredag lørdag søndag januar februar marts april maj juni juli august september
        oktober november december
    """,
    "no": """
        null en to tre fire fem seks sju åtte ni ti elleve tolv tretten fjorten femten tjue tretti førti femti
        seksti hundre tusen million milliard halvparten halv kvart tredje fjerde femte prosent antall sekund
        minutt time timer dag uke uker helg måned år tiår århundre morgen kveld klokken mandag tirsdag onsdag
        torsdag fredag lørdag søndag januar februar april mai juni juli august september oktober november
        desember
    """,
    "pl": """
        zero jeden dwa trzy cztery pięć sześć siedem osiem dziewięć dziesięć jedenaście dwanaście piętnaście
        dwadzieścia trzydzieści czterdzieści pięćdziesiąt sto dwieście tysiąc tysiące tysięcy milion miliony
        milionów miliard miliardów połowa pół trzeci czwarty piąty procent liczba sekunda minuta minut godzina
        godzin dzień dni dnia tydzień tygodni tygodnia miesiąc miesięcy miesiąca wiek wczoraj jutro wieczorem
        rano poniedziałek wtorek środa środę czwartek piątek sobota sobotę niedziela niedzielę stycznia lutego
        marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia
    """,
    "ru": """
        ноль один два две три четыре пять шесть семь восемь девять десять одиннадцать двенадцать пятнадцать
        двадцать тридцать сорок пятьдесят сто двести тысяча тысяч миллион миллиард половина полтора треть третий
        четвертый пятый процент число раз секунда минута час день дня дней неделя недель месяц месяцев год лет
        век вчера завтра вечером утром понедельник вторник среду четверг пятница пятницу суббота субботу
        воскресенье январь февраль март апрель мая май июнь июль август сентябрь октябрь ноябрь декабрь
    """,
    "tr": """
        sıfır bir iki üç dört beş yedi sekiz dokuz on yirmi otuz elli altmış yetmiş seksen doksan bin milyon
        milyar yarım çeyrek üçüncü dördüncü beşinci yüzde sayı saniye dakika saat gün hafta ay yıl yüzyıl dün
        yarın akşam sabah pazartesi salı çarşamba perşembe cuma cumartesi şubat mart nisan mayıs haziran temmuz
        ağustos eylül ekim kasım aralık
    """,
    "id": """
        nol satu dua tiga empat lima enam tujuh delapan sembilan sepuluh sebelas belas puluh seratus ratus seribu
        ribu juta miliar triliun setengah ketiga keempat persen jumlah detik menit jam hari minggu pekan bulan
        tahun abad kemarin besok malam pagi senin selasa rabu kamis jumat sabtu januari februari maret april mei
        juni juli agustus september oktober november desember
    """,
}


@lru_cache(100)
def measure_stems(language: str) -> frozenset[str]:
    """Return the stems of these words in a language; empty for most languages."""
    return frozenset(stem_word(language, word) for word in _MEASURE_WORDS.get(language, "").split())
